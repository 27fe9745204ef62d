package import ImageModel

/// A spec with every default filled in and every value checked. Made once: whatever comes after it reads this, and knows
/// no default of its own.
package struct ResolvedSpec: Sendable {
  /// The NixOS toplevels of the generations, by their store paths or links to them; one at least.
  package let systems: [String]
  /// The number of the generation that boots by default, from 1 on.
  package let currentGeneration: Int
  /// The name of the profile that the generations are of.
  package let profile: String
  /// The folder of nixpkgs' `closureInfo`; nil to read the Nix database.
  package let closureInfo: String?
  /// What is installed beside the system, by paths that lead into the store.
  package let additionalPaths: [String]
  /// Root's channel; nil for none.
  package let channel: String?
  /// Whether the image is a filesystem with store paths, and nothing else.
  package let onlyNixStore: Bool
  /// Where the store of the image is; with `.host` the disk has no root.
  package let store: StorePlace
  let table: PartitionTable
  /// The table's layout, with its ESP where the spec has it mounted.
  let layout: Layout
  let formats: [ImageFormat]
  package let installBootLoader: Bool
  let touchEFIVariables: Bool
  /// Whether the machine that installs has EFI firmware, and leaves its variables; else it has a BIOS.
  package let usesEFI: Bool
  /// What the firmware must be.
  package let firmware: FirmwareWish
  /// The spec's key that names the firmware; nil for one of this machine's.
  package let firmwareKey: String?
  /// Keys of Secure Boot; nil for none.
  package let secureBoot: SecureBootSpec?
  let baseName: String
  /// The root's filesystem.
  package let filesystem: FilesystemKind
  let label: String
  /// Further words for the tool that makes the root.
  let mkfsOptions: [String]
  /// Whether the host pours the root into its place; else the guest makes it and copies into it.
  let poursRoot: Bool
  let sectorSize: UInt64
  /// Swap and the partitions of the spec, in the order of their numbers.
  let further: [PartitionEntry]
  let diskSize: DiskSize
  let free: ByteSize
  let bootSize: ByteSize
  let memory: UInt64
  /// The processors that the guest is to have, if this machine has enough.
  package let cpus: Int
  /// The names of the disk in the system's bootloader configuration, where they are not the guest's.
  let grubDevices: [String]
  /// Everything of the host that goes into the image beside the closure: `contents`, `configFile`, `extraFiles`.
  package let contents: [PlannedContent]
  /// Where other filesystems than the root are mounted.
  package let mounts: [MountedPlace]
  /// The script that the host runs before the VM starts.
  let preVM: String?
  /// The script that runs in the installed system.
  let postInstall: String?
  /// The script that the host runs when the images are made.
  let postVM: String?
  /// The form of the exported variable store.
  let variablesForm: VariablesForm
  /// Whether that store goes without what the firmware makes again.
  let stripsFirmwareVariables: Bool
  /// Whether each build makes the same bytes. Where it does not, `individual(seed:time:)` has to be asked for a spec to build.
  package let isDeterministic: Bool
  private(set) var seed: GUID?
  /// The guest's clock at start, the time of everything in an image that has none of its own, and the latest that anything in
  /// it has, in seconds since 1970.
  package private(set) var time: Int64
  let rootGPUID: GUID?
  let rootFSUID: GUID?

  /// The time of deterministic builds: 2000-01-02 at noon UTC. The firmware takes no year before 1998 for its clock (edk2's `PcdMinimalValidYear`): 1980 became 2080. Noon
  /// keeps the day the same in a build that is some hours late by its own clock.
  package static let fixedTime: Int64 = 946_814_400

  /// Fills in the defaults.
  ///
  /// - Throws: `SpecError` for the first fault that can be seen without looking at this machine.
  package init(_ spec: ImageSpec) throws(SpecError) {
    baseName = try Self.fileName(spec.baseName ?? "nixos")
    onlyNixStore = spec.onlyNixStore ?? false
    table = Self.table(spec.partitionTableType, onlyNixStore: onlyNixStore)
    store = spec.store ?? .image
    layout = try Self.layout(spec, table)
    formats = try Self.formats(spec.format ?? [.raw])
    installBootLoader = spec.installBootLoader ?? !onlyNixStore
    touchEFIVariables = spec.touchEFIVars ?? layout.hasESP
    firmware = spec.firmwareWish
    firmwareKey = firmware.code.map { _ in spec.ovmf == nil ? "efiFirmware" : "OVMF" }
    usesEFI = !onlyNixStore && (layout.hasESP || touchEFIVariables || firmware.code != nil)
    filesystem = try Self.filesystem(spec.fsType ?? .ext4, onlyNixStore: onlyNixStore)
    label = try Self.label(spec, filesystem, onlyNixStore: onlyNixStore)
    mkfsOptions = try Self.mkfsOptions(spec)
    sectorSize = try Self.sectorSize(spec, installsBIOS: installBootLoader && !usesEFI)
    further = try Self.further(spec, table, layout)
    diskSize = try Self.diskSize(spec.diskSize ?? .auto, formats)
    free = try Self.free(spec)
    bootSize = try Self.bootSize(spec.bootSize, table, sectorSize: sectorSize)
    memory = try Self.memory(spec.memSize ?? 1024)
    cpus = try Self.cpus(spec.cpus ?? 2)
    grubDevices = try Self.grubDevices(spec.grubDevice ?? [])
    contents = try Self.contents(spec)
    mounts = Self.mounts(layout, further)
    poursRoot = filesystem == .ext4 && mkfsOptions.isEmpty && !Self.reach(contents, into: mounts)
    preVM = spec.preVM
    postInstall = try Self.script(spec.postInstall, "postInstall")
    postVM = spec.postVM
    try Self.checkStoreAlone(spec)
    try Self.checkBootPartitionsAlone(spec, table, contents, mounts)
    variablesForm = spec.efiVarsForm ?? .canonical
    stripsFirmwareVariables = spec.stripFirmwareVariables ?? false
    try Self.checkVariables(spec, usesEFI: usesEFI)
    try Self.checkFirmware(spec)
    try Self.checkDeterminism(spec)
    try Self.checkBootLoader(spec, table)
    try spec.secureBoot?.check(spec, hasESP: layout.hasESP)
    secureBoot = spec.secureBoot
    isDeterministic = spec.deterministic ?? true
    (seed, time) = (spec.seed, Self.fixedTime)
    (rootGPUID, rootFSUID) = (spec.rootGPUID, spec.rootFSUID)
    (closureInfo, additionalPaths) = (spec.closureInfo, spec.additionalPaths ?? [])
    channel = spec.copyChannel?.path
    profile = try Self.profile(spec.profile ?? Generations.systemProfile)
    systems = try Self.systems(spec)
    currentGeneration = try Self.currentGeneration(spec.currentGeneration, of: systems)
  }

  /// Every filesystem that the guest makes and mounts, and the spec's key that asks for it.
  package var guestFilesystems: [(kind: FilesystemKind, key: String)] {
    [(filesystem, "fsType")] + further.map { ($0.fsType, "partitions") }
  }

  /// Every place where a filesystem is mounted.
  package var filesystems: [MountedPlace] { [MountedPlace("/", filesystem)] + mounts }

  /// The spec of a build that no other is like.
  ///
  /// - Parameters:
  ///   - seed: what every identifier comes from that the spec does not give.
  ///   - time: now, in seconds since 1970.
  package func individual(seed: GUID, time: Int64) -> ResolvedSpec {
    var spec = self
    (spec.seed, spec.time) = (seed, time)
    return spec
  }

  /// What every identifier of the image of these systems comes from that the spec does not give.
  package func seed(of systems: [String]) -> GUID { identifiers(of: systems).seed }

  /// Identifiers of the image of these systems, by their store paths.
  func identifiers(of systems: [String]) -> Identifiers { Identifiers(seed: seed, systems: systems) }

  /// The UUID of the root filesystem, which also seeds the hashes of its directory entries.
  package func rootUUID(of systems: [String]) -> GUID {
    rootFSUID ?? identifiers(of: systems).guid("filesystem/root")
  }
}
