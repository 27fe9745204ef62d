public import ImageModel

/// A request for one image, as a user writes it. `SpecKey.all` has what is known of each key; most are make-disk-image's
/// arguments by their names.
///
/// Every key is optional, so that specs can be laid over each other; `ResolvedSpec` gives the defaults.
public struct ImageSpec: Hashable, Sendable {
  /// The store paths of the NixOS toplevels, or links to them, in the order of their generations.
  public var systems: [String]?
  /// The number of the generation that boots by default; the first is 1.
  public var currentGeneration: Int?
  /// The name of the profile that the generations are of.
  public var profile: String?
  /// A folder with `registration` and `store-paths`, as nixpkgs' `closureInfo` makes it. Without one, the
  /// closure is read from the Nix database of this machine.
  public var closureInfo: String?
  /// The image's file name without its extension.
  public var baseName: String?
  /// The formats of the disk image, a file each.
  public var format: [ImageFormat]?
  /// The partition layout.
  public var partitionTableType: PartitionTable?
  /// The root's filesystem.
  public var fsType: FilesystemKind?
  /// Further words for the tool that makes the root filesystem.
  public var mkfsOptions: [String]?
  /// The root filesystem's label.
  public var label: String?
  /// The size of the whole disk.
  public var diskSize: DiskSize?
  /// Free space in the root filesystem on top of the closure, when `diskSize` is `auto`.
  public var additionalSpace: ByteSize?
  /// The END OFFSET of the ESP on the disk, as in make-disk-image; the ESP starts at 8 MiB.
  public var bootSize: ByteSize?
  /// Where the ESP is mounted: the system's `boot.loader.efi.efiSysMountPoint`.
  public var espMountPoint: String?
  /// The size of a swap partition; without one, there is none.
  public var swapSize: ByteSize?
  /// Further partitions.
  public var partitions: [PartitionEntry]?
  /// Bytes in a sector of the disk: 512 or 4096.
  public var sectorSize: UInt64?
  /// The installer VM's memory, in MiB.
  public var memSize: UInt64?
  /// The installer VM's processors.
  public var cpus: Int?
  /// Whether the system's `switch-to-configuration boot` is run.
  public var installBootLoader: Bool?
  /// Whether the bootloader can reach the EFI variables.
  public var touchEFIVars: Bool?
  /// Files and folders of the host that go into the image beside the closure.
  public var contents: [ContentEntry]?
  /// A file that becomes `/etc/nixos/configuration.nix`.
  public var configFile: String?
  /// Store paths that are installed and registered with their closures, beside the system's.
  public var additionalPaths: [String]?
  /// Whether the image is a filesystem with the store paths at its root, and nothing else.
  public var onlyNixStore: Bool?
  /// Where the image has its Nix store.
  public var store: StorePlace?
  /// The system's `boot.loader.grub.devices`, where they have other names than the guest's disk.
  public var grubDevice: [String]?
  /// A channel that becomes root's, or none.
  public var copyChannel: ChannelCopy?
  /// Files and folders of the host that must not be in a Nix store, such as keys and a machine's state.
  public var extraFiles: [ContentEntry]?
  /// A shell script that the host runs before the VM starts.
  public var preVM: String?
  /// A shell script that runs in the installed system, after its bootloader is installed.
  public var postInstall: String?
  /// A shell script that the host runs when the images are made.
  public var postVM: String?
  /// Firmware code to use instead of the one that the descriptors name.
  public var efiFirmware: String?
  /// Variable store template that belongs to `efiFirmware`.
  public var efiVariables: String?
  /// The form in which the EFI variable store is exported.
  public var efiVarsForm: VariablesForm?
  /// Whether the exported store goes without the variables that the firmware makes again.
  public var stripFirmwareVariables: Bool?
  /// A folder with the firmware's two files as nixpkgs' `OVMF.fd` has them, instead of naming both.
  public var ovmf: String?
  /// Whether `efiFirmware` hangs without system management mode; nil where a descriptor or its name says so.
  public var efiFirmwareNeedsSMM: Bool?
  /// Keys of Secure Boot for the exported variable store, and the one that signs what is booted.
  public var secureBoot: SecureBootSpec?
  /// Whether each build makes the same bytes; else it has identifiers and times of its own.
  public var deterministic: Bool?
  /// The GUID that every other identifier is derived from.
  public var seed: GUID?
  /// The root partition's GUID.
  public var rootGPUID: GUID?
  /// The root filesystem's UUID.
  public var rootFSUID: GUID?

  /// A spec that asks for nothing in particular.
  public init() {}

  /// This spec with every key that `other` sets taken from there.
  public func overridden(by other: ImageSpec) -> ImageSpec {
    var merged = self
    for key in SpecKey.all { key.override(other, &merged) }
    return merged
  }
}

extension ImageSpec {
  /// The system of an image with one generation; nil for any other image.
  public var system: String? {
    get { systems?.count == 1 ? systems?.first : nil }
    set { systems = newValue.map { [$0] } }
  }

  /// The systems, unless there is one, which is `system`: so a manifest has a single system under that key alone.
  var severalSystems: [String]? {
    get { system == nil ? systems : nil }
    set { systems = newValue }
  }
}

extension ImageSpec: Codable {
  /// A key's name in a manifest, which spells the keys as a spec does.
  struct CodingName: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  /// Decodes what `encode` wrote. Specs are read by `ImageSpec.init(json:)`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingName.self)
    self.init()
    for key in SpecKey.all { try key.decode(container, &self) }
  }

  /// Encodes the keys that are set.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingName.self)
    for key in SpecKey.all { try key.encode(self, &container) }
  }
}
