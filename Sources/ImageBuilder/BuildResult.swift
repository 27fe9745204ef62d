internal import Basics
public import BuildPlan
internal import Command
internal import ImageModel

/// What came of a build.
public struct BuildResult: Hashable, Sendable {
  /// Something that firmware starts from the disk.
  public struct Loader: Hashable, Sendable {
    /// What starts it.
    public enum Firmware: String, Sendable {
      case efi = "EFI"
      case bios = "BIOS"
    }

    /// What starts it.
    public var firmware: Firmware
    /// Its name, such as "systemd-boot"; nil for one that is not known.
    public var name: String?
    /// Its path on the EFI system partition, fit for a terminal; nil for a BIOS, which starts no file.
    public var file: String?
  }

  /// The manifest that was written beside the artefacts.
  public var manifest: Manifest
  /// What starts the system, in the order in which firmware tries it.
  public var loaders: [Loader]
  /// Bytes of the root that nothing uses; nil for a filesystem other than ext2 to ext4.
  public var rootFree: UInt64?
  /// Whether a second build has made the same bytes; false where none was asked for.
  public var isReproduced = false
  /// What ran the guest's processors; nil when no machine was started.
  public var accelerator: Accelerator.Kind?
}

extension BuildResult {
  /// A command for a POSIX shell that runs the image and shows its serial console. It writes to no file.
  ///
  /// - Parameter folder: the output folder, by the path that the command is to have.
  /// - Returns: nil when QEMU can run none of the images as they are.
  public func command(in folder: String) -> String? {
    guard !loaders.isEmpty, let accelerator, let image = manifest.images.first(where: { !$0.format.isPacked })
    else { return nil }
    let firmware = manifest.efiVariables == nil ? nil : manifest.firmware
    let guest = Architecture.current
    var words = ["-snapshot", "-nographic", "-m", "1024", "-smp", "2"]
    words += ["-machine", guest.machineType + (firmware?.requiresSMM == true ? ",smm=on" : "")]
    words += ["-accel", accelerator.rawValue, "-cpu", accelerator == .kvm ? "host" : "max"]
    if let firmware, let variables = manifest.efiVariables {
      let format = firmware.code.hasSuffix(".qcow2") ? "qcow2" : "raw"
      words += ["-drive", "if=pflash,format=\(format),readonly=on,file=\(Self.value(firmware.code))"]
      words += ["-drive", "if=pflash,format=raw,file=\(Self.path(variables, in: folder))"]
      if firmware.requiresSMM { words += ["-global", "driver=cfi.pflash01,property=secure,value=on"] }
    }
    let disk = "format=\(image.format.qemuName),file=\(Self.path(image.file, in: folder))"
    if manifest.disk.sectorSize == 512 {
      words += ["-drive", "if=virtio,\(disk)"]
    } else {
      let size = manifest.disk.sectorSize
      words += ["-drive", "if=none,id=disk,\(disk)", "-device"]
      words += ["virtio-blk-pci,drive=disk,logical_block_size=\(size),physical_block_size=\(size)"]
    }
    return Command(guest.emulator, words).description
  }

  /// To QEMU, what is before a colon in a path that does not begin with a slash or a dot is a protocol.
  private static func path(_ name: String, in folder: String) -> String {
    let isPlain = folder.hasPrefix("/") || folder.hasPrefix(".")
    return value("\(isPlain ? "" : "./")\(folder)/\(name)")
  }

  /// A path as part of an option, where a comma ends it.
  private static func value(_ path: String) -> String { path.replacing(",", with: ",,") }
}
