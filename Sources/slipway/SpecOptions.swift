public import ArgumentParser
public import BuildPlan
internal import Foundation
internal import ImageBuilder
public import ImageModel

extension ImageFormat: ExpressibleByArgument {}
extension FilesystemKind: ExpressibleByArgument {}
extension PartitionTable: ExpressibleByArgument {}

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

extension GUID: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

/// The image spec: a file, and flags that go over its keys.
struct SpecOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("JSON file with the image spec.", valueName: "spec.json"))
  var file: String?

  @Option(help: "Store path of the NixOS system (config.system.build.toplevel), or a link to it.")
  var system: String?

  @Option(help: "Folder made by closureInfo, instead of this machine's Nix database.")
  var closureInfo: String?

  @Option(help: "File name of the image, without its extension. [nixos]")
  var baseName: String?

  @Option(help: "Format of the image. [raw]")
  var format: ImageFormat?

  @Option(help: "Partition layout. [efi]")
  var partitionTableType: PartitionTable?

  @Option(help: "Root filesystem. [ext4]")
  var fsType: FilesystemKind?

  @Option(help: "Label of the root filesystem. [nixos]")
  var label: String?

  @Option(help: "Size of the disk: auto, MiB, or 4G. [auto]")
  var diskSize: DiskSize?

  @Option(help: "Free space on top of the closure, when the disk size is auto. [512M]")
  var additionalSpace: ByteSize?

  @Option(help: "End offset of the ESP, which starts at 8M. [256M]")
  var bootSize: ByteSize?

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

  @Option(help: "Firmware code, instead of what QEMU's descriptors name.")
  var efiFirmware: String?

  @Option(help: "Variable store template that belongs to --efi-firmware.")
  var efiVariables: String?

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
    flags.format = format
    flags.partitionTableType = partitionTableType
    flags.fsType = fsType
    flags.label = label
    flags.diskSize = diskSize
    flags.additionalSpace = additionalSpace
    flags.bootSize = bootSize
    flags.memSize = memSize
    flags.cpus = cpus
    flags.installBootLoader = installBootLoader
    flags.touchEFIVars = touchEFIVars
    flags.contents = contents.isEmpty ? nil : contents
    flags.configFile = configFile
    flags.additionalPaths = additionalPaths.isEmpty ? nil : additionalPaths
    flags.onlyNixStore = onlyNixStore
    flags.grubDevice = grubDevice
    flags.efiFirmware = efiFirmware
    flags.efiVariables = efiVariables
    flags.ovmf = ovmf
    flags.efiFirmwareNeedsSMM = efiFirmwareNeedsSMM
    flags.secureBoot = secureBoot
    flags.seed = seed
    flags.rootGPUID = rootGPUID
    flags.rootFSUID = rootFSUID
    return try readFile().overridden(by: flags)
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
    guard let data = FileManager.default.contents(atPath: file) else {
      throw BuildError(
        .badInput, "the spec \(file) cannot be read", remedy: "Check its path and permissions")
    }
    return try ImageSpec(json: Array(data))
  }
}
