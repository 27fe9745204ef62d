public import ImageModel

/// A generation that is to be added to an image, as it is asked for.
public struct AdditionRequest: Hashable, Sendable {
  /// The image, or the output folder of a build.
  public var image: String
  /// The image's format; nil to go by its name, and in a folder to take the first.
  public var format: ImageFormat?
  /// The store path of the NixOS toplevel, or a link to it.
  public var system: String
  /// A folder with the closure's registration; nil for the Nix database of this machine.
  public var closureInfo: String?
  /// The profile that the generation is of.
  public var profile: String?
  /// The EFI variable store that belongs to the image; nil for the one of the output folder, or for none.
  public var efiVariables: String?
  /// The firmware code that the store belongs to; nil for the build's, or what the descriptors name.
  public var efiFirmware: String?
  /// The names by which the system's GRUB knows the disk, where they are not the kernel's.
  public var grubDevices: [String]
  /// Whether the bootloader itself is installed anew, as for a system with another one. A power cut may leave it half done.
  public var installBootLoader: Bool
  /// Memory of the machine that installs, in MiB; nil for that of a build.
  public var memory: UInt64?
  /// Processors of the machine that installs; nil for those of a build.
  public var cpus: Int?
  /// The folder to make.
  public var out: String
  /// Whether an existing output folder is replaced.
  public var force: Bool
  /// Where the whole output is kept if it fails; nil for `OUT.failed.log`, beside the output folder.
  public var failureLog: String?
  /// The machine.
  public var machine: MachineChoice
  /// How it is brought up.
  public var start: StartChoice
  /// The appliance.
  public var appliance: ApplianceChoice

  /// Describes an addition.
  public init(
    image: String, format: ImageFormat? = nil, system: String, closureInfo: String? = nil,
    profile: String? = nil, efiVariables: String? = nil, efiFirmware: String? = nil,
    grubDevices: [String] = [], installBootLoader: Bool = false, memory: UInt64? = nil, cpus: Int? = nil,
    out: String = "result",
    force: Bool = false, failureLog: String? = nil, machine: MachineChoice = MachineChoice(),
    start: StartChoice = .auto, appliance: ApplianceChoice = ApplianceChoice()
  ) {
    self.image = image
    self.format = format
    self.system = system
    self.closureInfo = closureInfo
    self.profile = profile
    self.efiVariables = efiVariables
    self.efiFirmware = efiFirmware
    self.grubDevices = grubDevices
    self.installBootLoader = installBootLoader
    self.memory = memory
    self.cpus = cpus
    self.out = out
    self.force = force
    self.failureLog = failureLog
    self.machine = machine
    self.start = start
    self.appliance = appliance
  }
}

/// What came of an addition.
public struct AdditionResult: Hashable, Sendable {
  /// The profile that the generation is of.
  public var profile: String
  /// The generation's number.
  public var number: Int
  /// The store path of its system.
  public var system: String
  /// How many store paths the image lacked.
  public var addedPaths: Int
  /// The files of the output folder.
  public var files: [Manifest.File]
  /// Whether a manifest is among what was written.
  public var hasManifest: Bool
}
