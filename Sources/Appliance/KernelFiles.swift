internal import Basics
internal import ImageModel
package import SystemPackage

/// A kernel and the folder of its modules.
package struct KernelFiles: Hashable, Sendable {
  /// The kernel, as QEMU's `-kernel` takes it.
  package var image: FilePath
  /// Its modules: `/lib/modules/VERSION`, or any folder of that shape whose name is the version.
  package var modules: FilePath

  package init(image: FilePath, modules: FilePath) {
    self.image = image
    self.modules = modules
  }

  /// The modules folder's place in the guest, relative to the root.
  var guestModules: String { "usr/lib/modules/\(modules.lastComponent?.string ?? "")" }
}

/// Which kernel of this machine the appliance takes: one rule, for doctor and for builds.
extension KernelFiles {
  /// The first of this machine's kernels that can be used: that may be read, has its modules, and among them the drivers
  /// that every installation needs, and these.
  ///
  /// - Parameter drivers: further drivers, of filesystems.
  /// - Throws: `Fault`: why there is none.
  package static func newestKernel(
    with drivers: [String] = [], under root: FilePath = "/"
  ) throws -> KernelFiles {
    let (boot, modules) = (root.appending("boot"), root.appending("lib/modules"))
    var lacksDriver: Fault?
    var unusable: Fault?
    for release in releases(
      images: exists(boot) ? try names(in: boot) : [],
      moduleFolders: exists(modules) ? try names(in: modules) : [])
    {
      let kernel = KernelFiles(image: boot.appending(prefix + release), modules: modules.appending(release))
      do {
        try kernel.check(drivers)
        return kernel
      } catch let fault as Fault {
        if (try? kernel.check([])) == nil {
          unusable = unusable ?? fault
        } else {
          lacksDriver = lacksDriver ?? fault
        }
      }
    }
    throw lacksDriver ?? unusable ?? .kernelMissing(boot)
  }

  private static let prefix = "vmlinuz-"

  /// The releases of kernels that have their modules, the best first: Debian's cloud kernels before others, as they are
  /// half the size, then the newest.
  ///
  /// - Parameters:
  ///   - images: file names below `/boot`.
  ///   - moduleFolders: folder names below `/lib/modules`.
  static func releases(images: [String], moduleFolders: [String]) -> [String] {
    let releases = images.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    return releases.filter(Set(moduleFolders.filter { !$0.isEmpty }).contains).sorted { left, right in
      let cloud = (left.contains("-cloud-"), right.contains("-cloud-"))
      return cloud.0 == cloud.1 ? isNewer(left, right) : cloud.0
    }
  }

  /// Compares releases number by number, so that 6.10 is newer than 6.9.
  private static func isNewer(_ left: String, _ right: String) -> Bool {
    func numbers(_ release: String) -> [UInt64] {
      release.split { !("0"..."9").contains($0) }.map { UInt64($0) ?? .max }
    }
    let (ours, theirs) = (numbers(left), numbers(right))
    return ours == theirs ? left > right : theirs.lexicographicallyPrecedes(ours)
  }
}

/// What makes a kernel usable.
extension KernelFiles {
  /// Checks that the kernel may be read, would accept the modules, and has the drivers of every installation, and these.
  ///
  /// - Throws: `Fault`.
  package func check(_ drivers: [String]) throws {
    _ = try moduleFiles(with: drivers)
  }

  /// The modules that the appliance takes from the kernel, of one that can be used.
  ///
  /// - Parameter drivers: further drivers, of filesystems, that are loaded on demand.
  /// - Returns: those that the agent loads at boot, in their order, and all, sorted by path.
  /// - Throws: `Fault`.
  func moduleFiles(
    with drivers: [String]
  ) throws -> (atBoot: [KernelModuleFile], all: [KernelModuleFile]) {
    try checkVersion(onFile(image) { try WholeFile.beginning(of: image, count: Self.headerLimit) })
    let index = try ModuleIndex(of: modules)
    func files(_ names: [String], required: Bool) throws -> [KernelModuleFile] {
      try index.loadOrder(of: names, required: required, folder: modules)
        .map { try KernelModuleFile($0, in: modules) }
    }
    let atBoot = try files(ApplianceModules.atBoot, required: true)
    let required = try files(ApplianceModules.required, required: true)
    for name in drivers where !index.has(name) {
      throw Fault.driverMissing(name: name, folder: modules)
    }
    let onDemand =
      try files(drivers, required: true) + files(ApplianceModules.optional, required: false)
    return (atBoot, Set(atBoot + required + onDemand).sorted { $0.path < $1.path })
  }

  /// The version that the header of an x86 kernel points to is within these, in bytes.
  private static let headerLimit = 0x200 + 0xFFFF + 256

  /// Checks that the kernel would accept the modules, by the version in its header.
  ///
  /// The header is `Documentation/x86/boot.rst`'s; an image without it is taken as it is.
  ///
  /// - Throws: `Fault`.
  private func checkVersion(_ kernel: [UInt8]) throws {
    let pointer = Int(kernel.littleEndian(at: 0x20E, 2))
    guard kernel.dropFirst(0x202).starts(with: "HdrS".utf8), pointer != 0 else { return }
    let words = kernel.dropFirst(pointer + 0x200).prefix { $0 != 0 }.split(separator: UInt8(ascii: " "))
    guard let first = words.first else { return }
    let version = String(decoding: first, as: UTF8.self)
    guard version == modules.lastComponent?.string else {
      throw Fault.kernelMismatch(kernel: image, version: version, modules: modules)
    }
  }
}

/// Which drivers the guest has.
enum ApplianceModules {
  /// Loaded by the agent before it opens its port: the disks, the port, entropy for UUIDs and hashes, and what
  /// every installation mounts, for which the kernel would start a process of its own each.
  static let atBoot = [
    "virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "vfat", "nls_cp437", "nls_ascii", "efivarfs",
  ]
  /// Loaded by the kernel when something is mounted: targets, the ESP's code pages, EFI variables.
  static let required = [
    "ext4", "vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8", "efivarfs",
  ]
  /// As above, where the kernel has them: every filesystem's driver, and what it loads by alias.
  static let optional = FilesystemTraits.all.flatMap { [$0.driver].compactMap(\.self) + $0.helperModules }
    .filter { !required.contains($0) }
}
