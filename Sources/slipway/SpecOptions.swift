public import ArgumentParser
internal import Basics
public import BuildPlan
internal import Foundation
internal import ImageBuilder
public import ImageModel

extension ImageFormat: ExpressibleByArgument {}
extension FilesystemKind: ExpressibleByArgument {}
extension PartitionTable: ExpressibleByArgument {}
extension VariablesForm: ExpressibleByArgument {}

extension ByteSize: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

extension DiskSize: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

extension ContentEntry: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

extension PartitionEntry: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

extension GUID: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

/// The image spec: a file, and flags that go over its keys.
struct SpecOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("JSON file with the image spec; - for standard input.", valueName: "spec.json"))
  var file: String?

  @Option(help: "Store path of the NixOS system (config.system.build.toplevel), or a link to it.")
  var system: String?

  @Option(help: "Folder made by closureInfo, instead of this machine's Nix database.")
  var closureInfo: String?

  @Option(help: "File name of the image, without its extension. [nixos]")
  var baseName: String?

  @Option(
    help: ArgumentHelp("Format of the image; may be given again, for several. [raw]", valueName: "format"))
  var format: [ImageFormat] = []

  @Option(help: "Partition layout. [efi]")
  var partitionTableType: PartitionTable?

  @Option(help: "Root filesystem: ext4, xfs, btrfs, f2fs, ext3, ext2, or another. [ext4]")
  var fsType: FilesystemKind?

  @Option(
    name: .customLong("mkfs-option"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Word for the tool that makes the root; may be given again.", valueName: "word"))
  var mkfsOptions: [String] = []

  @Option(help: "Label of the root filesystem. [nixos]")
  var label: String?

  @Option(help: "Size of the disk: auto, MiB, or 4G. [auto]")
  var diskSize: DiskSize?

  @Option(help: "Free space on top of the closure, when the disk size is auto. [512M]")
  var additionalSpace: ByteSize?

  @Option(help: "End offset of the ESP, which starts at 8M. [256M]")
  var bootSize: ByteSize?

  @Option(help: "Size of a swap partition. [none]")
  var swapSize: ByteSize?

  @Option(
    help: ArgumentHelp(
      "Further partition with a filesystem; may be given again.",
      valueName: "name:size:fs-type[:mount-point[:label]]"))
  var partitions: [PartitionEntry] = []

  @Option(help: "Bytes in a sector of the disk, 512 or 4096. [512]")
  var sectorSize: UInt64?

  @Option(help: "Memory of the VM that installs, in MiB. [1024]")
  var memSize: UInt64?

  @Option(help: "Processors of the VM that installs. [2]")
  var cpus: Int?

  @Flag(inversion: .prefixedNo, help: "Run the system's switch-to-configuration boot. [yes]")
  var installBootLoader: Bool?

  @Flag(
    name: .customLong("touch-efi-vars"), inversion: .prefixedNo,
    help: "Let the bootloader write EFI variables. [yes]")
  var touchEFIVars: Bool?

  @Option(
    help: ArgumentHelp(
      "File or folder to put into the image; may be given again.",
      valueName: "source:target[:mode[:user:group]]"))
  var contents: [ContentEntry] = []

  @Option(help: ArgumentHelp("File that becomes /etc/nixos/configuration.nix.", valueName: "file"))
  var configFile: String?

  @Option(
    help: ArgumentHelp(
      "Store path to install as well, with its closure; may be given again.", valueName: "path"))
  var additionalPaths: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help: "Make a filesystem with the store paths at its root, and nothing else; starts no VM. [no]")
  var onlyNixStore: Bool?

  @Option(
    help: ArgumentHelp(
      "The system's boot.loader.grub.device, unless it is the guest's /dev/vda.", valueName: "path"))
  var grubDevice: String?

  @Option(help: ArgumentHelp("Store path of the channel that root gets. [none]", valueName: "path"))
  var copyChannel: String?

  @Option(
    name: .customLong("extra-file"),
    help: ArgumentHelp(
      "The same as --contents, for what must not be in a Nix store: mode 600, never in a log.",
      valueName: "source:target[:mode[:user:group]]"))
  var extraFiles: [ContentEntry] = []

  @Option(
    name: .customLong("pre-vm"),
    help: ArgumentHelp("Shell script that this machine runs before the VM starts.", valueName: "file"))
  var preVM: String?

  @Option(help: ArgumentHelp("Shell script to run in the installed system.", valueName: "file"))
  var postInstall: String?

  @Option(
    name: .customLong("post-vm"),
    help: ArgumentHelp("Shell script that this machine runs when the images are made.", valueName: "file"))
  var postVM: String?

  @Option(help: "Firmware code, instead of what QEMU's descriptors name.")
  var efiFirmware: String?

  @Option(help: "Variable store template that belongs to --efi-firmware.")
  var efiVariables: String?

  @Option(
    help:
      "Form of the exported EFI variable store: canonical, or raw for the firmware's own bytes. [canonical]")
  var efiVarsForm: VariablesForm?

  @Flag(
    inversion: .prefixedNo,
    help: "Leave out of the exported store what the firmware makes again at its next boot. [no]")
  var stripFirmwareVariables: Bool?

  @Option(
    name: .customLong("ovmf"),
    help: ArgumentHelp("Folder with FV/OVMF_CODE.fd and FV/OVMF_VARS.fd, instead of both.", valueName: "dir"))
  var ovmf: String?

  @Flag(
    name: .customLong("efi-firmware-needs-smm"), inversion: .prefixedNo,
    help: "The firmware hangs without system management mode. [what its descriptor or its name says]")
  var efiFirmwareNeedsSMM: Bool?

  @Option(help: ArgumentHelp("Certificate to enrol as Secure Boot's platform key.", valueName: "file"))
  var secureBootPk: String?

  @Option(help: ArgumentHelp("Certificate to enrol for KEK; may be given again.", valueName: "file"))
  var secureBootKek: [String] = []

  @Option(help: ArgumentHelp("Certificate to enrol for db; may be given again.", valueName: "file"))
  var secureBootDb: [String] = []

  @Option(
    help: ArgumentHelp(
      "Private key for the system's bootloader installation to sign with.", valueName: "file"))
  var secureBootSignKey: String?

  @Option(help: ArgumentHelp("Certificate of --secure-boot-sign-key.", valueName: "file"))
  var secureBootSignCert: String?

  @Option(help: "GUID from which all others are derived. [from the system's store path]")
  var seed: GUID?

  @Option(name: .customLong("root-gpuid"), help: "GUID of the root partition.")
  var rootGPUID: GUID?

  @Option(name: .customLong("root-fsuid"), help: "UUID of the root filesystem.")
  var rootFSUID: GUID?

  /// The file's spec with the flags over it.
  func spec() throws -> ImageSpec {
    var flags = ImageSpec()
    flags.system = system
    flags.closureInfo = closureInfo
    flags.baseName = baseName
    flags.format = format.isEmpty ? nil : format
    flags.partitionTableType = partitionTableType
    flags.fsType = fsType
    flags.mkfsOptions = mkfsOptions.isEmpty ? nil : mkfsOptions
    flags.label = label
    flags.diskSize = diskSize
    flags.additionalSpace = additionalSpace
    flags.bootSize = bootSize
    flags.swapSize = swapSize
    flags.partitions = partitions.isEmpty ? nil : partitions
    flags.sectorSize = sectorSize
    flags.memSize = memSize
    flags.cpus = cpus
    flags.installBootLoader = installBootLoader
    flags.touchEFIVars = touchEFIVars
    flags.contents = contents.isEmpty ? nil : contents
    flags.configFile = configFile
    flags.additionalPaths = additionalPaths.isEmpty ? nil : additionalPaths
    flags.onlyNixStore = onlyNixStore
    flags.grubDevice = grubDevice
    flags.copyChannel = copyChannel.map { .path($0) }
    flags.extraFiles = extraFiles.isEmpty ? nil : extraFiles
    flags.preVM = try readScript(preVM, "preVM")
    flags.postInstall = try readScript(postInstall, "postInstall")
    flags.postVM = try readScript(postVM, "postVM")
    flags.efiFirmware = efiFirmware
    flags.efiVariables = efiVariables
    flags.efiVarsForm = efiVarsForm
    flags.stripFirmwareVariables = stripFirmwareVariables
    flags.ovmf = ovmf
    flags.efiFirmwareNeedsSMM = efiFirmwareNeedsSMM
    flags.secureBoot = secureBoot
    flags.seed = seed
    flags.rootGPUID = rootGPUID
    flags.rootFSUID = rootFSUID
    return try readFile().overridden(by: flags)
  }

  private func readScript(_ file: String?, _ key: String) throws -> String? {
    guard let file else { return nil }
    let bytes = try Self.read(file, "the script of \(key)")
    guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty, !text.utf8.contains(0) else {
      throw SpecError(
        key, "the script \(file) \(bytes.isEmpty ? "is empty" : "is no UTF-8 text")",
        remedy: "Give a file with a shell script")
    }
    return text
  }

  /// Nil when no flag is about it.
  private var secureBoot: SecureBootSpec? {
    let sign = SigningSpec(key: secureBootSignKey, cert: secureBootSignCert)
    let spec = SecureBootSpec(
      pk: secureBootPk, kek: secureBootKek.isEmpty ? nil : secureBootKek,
      db: secureBootDb.isEmpty ? nil : secureBootDb, sign: sign == SigningSpec() ? nil : sign)
    return spec == SecureBootSpec() ? nil : spec
  }

  private func readFile() throws -> ImageSpec {
    guard let file else { return ImageSpec() }
    return try ImageSpec(json: try Self.read(file, "the spec"))
  }

  private static func read(_ file: String, _ what: String) throws -> [UInt8] {
    do {
      return try InputFile.read(file, limit: InputFile.textLimit)
    } catch let error as InputFault {
      throw BuildError(.badInput, "\(what), \(error)", remedy: "Check its path and permissions")
    }
  }
}
