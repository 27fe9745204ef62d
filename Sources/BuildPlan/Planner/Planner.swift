internal import Basics
internal import Ext4Geometry
package import ImageModel

/// Turns a request and facts into a plan. Pure: the same arguments give the same plan.
public struct Planner: Sendable {
  /// The request.
  public var spec: ImageSpec
  /// The closure to install.
  public var closure: ClosureFacts
  /// What a VM would be made of; nil for a plan that needs none.
  public var machine: MachineFacts?
  /// After this many seconds an in-guest step counts as hung; nil leaves the choice to the plan.
  public var stepTimeLimit: Int?

  /// Gathers what a plan is made of.
  public init(
    spec: ImageSpec, closure: ClosureFacts, machine: MachineFacts?, stepTimeLimit: Int? = nil
  ) {
    self.spec = spec
    self.closure = closure
    self.machine = machine
    self.stepTimeLimit = stepTimeLimit
  }

  /// Makes the plan.
  ///
  /// - Throws: `SpecError` for the first thing of the request that cannot be built.
  public func plan() throws(SpecError) -> BuildPlan {
    let request = try Request(spec)
    if let limit = stepTimeLimit, !(1...TimeLimit.longest).contains(limit) {
      throw SpecError(
        "step-timeout", "\(limit) seconds cannot be the limit of a step",
        remedy: "Give 1 to \(TimeLimit.longest), which is a year")
    }
    let geometry = DiskGeometry(request)
    let root = try rootSize(request, geometry)
    try BootSpace(
      closure: closure, installsBootLoader: request.installBootLoader, sectorSize: request.sectorSize
    ).check(geometry, request)
    let disk = layout(request, geometry, root)
    try checkFormats(request, disk)
    let pour = pour(request, disk)
    return BuildPlan(
      system: closure.system, disk: disk, pour: pour,
      machine: request.onlyNixStore ? nil : machinePlan(request),
      steps: request.onlyNixStore ? [] : steps(request, disk, pour),
      preVM: spec.preVM, postVM: spec.postVM, outputs: outputs(request), secureBoot: spec.secureBoot)
  }

  /// Finds faults of a spec that need no closure to be seen.
  ///
  /// - Throws: `SpecError` for the first of them.
  package static func check(_ spec: ImageSpec) throws(SpecError) {
    _ = try Request(spec)
  }

  /// Everything of the host that goes into the image beside the closure, and where other filesystems than the root's
  /// are mounted.
  ///
  /// - Throws: `SpecError` for the first fault of the spec.
  package static func contents(
    of spec: ImageSpec
  ) throws(SpecError) -> (entries: [PlannedContent], mounts: [MountedPlace]) {
    let request = try Request(spec)
    return (request.contents, request.mounts)
  }

  /// Whether the machine that installs needs EFI firmware.
  ///
  /// - Throws: `SpecError` for the first fault of the spec.
  package static func usesEFI(_ spec: ImageSpec) throws(SpecError) -> Bool {
    try Request(spec).usesEFI
  }

  /// What the tree is measured with before there is a plan: it seeds the hashes of directory entries.
  package static func rootUUID(of spec: ImageSpec, system: String) -> GUID {
    spec.rootFSUID ?? Identifiers(seed: spec.seed, system: system).guid("filesystem/root")
  }

  /// 2000-01-02 at noon UTC. The firmware takes no year before 1998 for its clock (edk2's `PcdMinimalValidYear`): 1980
  /// became 2080. Noon keeps the day the same in a build that is some hours late by its own clock.
  package static let clock: Int64 = 946_814_400

  /// `panic=-1` turns a panic into a reset, which ends the domain. A static Swift program needs `SWIFT_ROOT`
  /// to start where `/proc` is not mounted yet; the kernel hands words it does not know to init.
  package static let kernelCommandLine =
    "console=\(Architecture.current.console) panic=-1 SWIFT_ROOT=/ quiet cryptomgr.notests"

  private func rootSize(_ request: Request, _ geometry: DiskGeometry) throws(SpecError) -> RootSize {
    var fixed: ByteSize?
    if case .fixed(let size) = request.diskSize {
      fixed = geometry.root(onDiskOf: size) ?? ByteSize(bytes: 0)
    }
    return try RootSize(request, closure: closure, fixed: fixed, overhead: geometry.overhead)
  }

  private func checkFormats(_ request: Request, _ disk: DiskLayout) throws(SpecError) {
    for format in request.formats {
      guard let largest = format.largestDisk, disk.size > largest else { continue }
      throw SpecError(
        "format", "\(format.rawValue) holds disks of up to \(largest), and this one has \(disk.size)",
        remedy: "Use another format, or a smaller diskSize or additionalSpace")
    }
  }

  private var identifiers: Identifiers { Identifiers(seed: spec.seed, system: closure.system) }

  private func layout(_ request: Request, _ geometry: DiskGeometry, _ root: RootSize) -> DiskLayout {
    let sector = geometry.sectorSize
    func partition(_ number: Int, _ part: DiskGeometry.Part, _ filesystem: Filesystem?) -> Partition {
      Partition(
        number: number, name: part.name, type: part.type,
        guid: geometry.table == .gpt ? identifiers.guid("partition/\(part.name)") : nil,
        start: part.start / sector, sectors: part.size.bytes / sector, filesystem: filesystem)
    }
    var partitions = zip(1..., geometry.parts).map { number, part in
      // Without an installation nothing would be in them.
      partition(number, part, request.onlyNixStore ? nil : filesystem(of: part))
    }
    let rootType: PartitionType? =
      switch geometry.table {
      case .gpt: .linux
      case .mbr: .linuxCode
      case .none: nil
      }
    partitions.append(
      Partition(
        number: geometry.table == .none ? 0 : partitions.count + 1, name: "root", type: rootType,
        guid: geometry.table == .gpt ? spec.rootGPUID ?? identifiers.guid("partition/root") : nil,
        start: geometry.rootStart / sector, sectors: root.size.bytes / sector,
        filesystem: Filesystem(
          kind: request.filesystem, label: request.label,
          uuid: request.filesystem.takesUUID ? Self.rootUUID(of: spec, system: closure.system) : nil,
          mountPoint: "/", inodes: root.inodes)))
    for (part, entry) in zip(geometry.further, request.further) {
      partitions.append(partition(partitions.count + 1, part, filesystem(of: entry)))
    }
    return DiskLayout(
      table: geometry.table, sectorSize: sector, sectors: (root.size.bytes + geometry.overhead) / sector,
      guid: identifiers.guid("disk"), partitions: partitions)
  }

  private func filesystem(of part: DiskGeometry.Part) -> Filesystem? {
    part.mountPoint.map { place in
      Filesystem(
        kind: .vfat, label: part.name, uuid: identifiers.guid("filesystem/\(part.name)"), mountPoint: place)
    }
  }

  private func filesystem(of entry: PartitionEntry) -> Filesystem {
    Filesystem(
      kind: entry.fsType, label: entry.label ?? "",
      uuid: entry.fsType.takesUUID ? identifiers.guid("filesystem/further/\(entry.name)") : nil,
      mountPoint: entry.mountPoint)
  }

  /// The root itself where it can be poured, else a disk to copy from.
  private func pour(_ request: Request, _ disk: DiskLayout) -> PourPlan {
    let hashSeed = Self.rootUUID(of: spec, system: closure.system)
    if request.onlyNixStore || request.poursRoot, let root = disk.root, let filesystem = root.filesystem {
      return PourPlan(
        tree: request.onlyNixStore ? .store : .root, place: .target,
        offset: ByteSize(bytes: root.start * disk.sectorSize),
        size: ByteSize(bytes: root.sectors * disk.sectorSize), filesystem: filesystem,
        hashSeed: hashSeed, time: Self.clock)
    }
    let need = closure.tree.filesystem(room: ByteSize(bytes: 0))
    return PourPlan(
      tree: .root, place: .source, offset: ByteSize(bytes: 0), size: need?.size ?? ByteSize(bytes: 0),
      filesystem: Filesystem(
        // Not the root's: mkfs.btrfs takes no UUID that another disk has.
        kind: .ext4, label: "", uuid: identifiers.guid("filesystem/source"), mountPoint: "/",
        inodes: need?.inodes),
      hashSeed: hashSeed, time: Self.clock)
  }

  private func machinePlan(_ request: Request) -> MachinePlan? {
    machine.map { machine in
      MachinePlan(
        accelerator: machine.accelerator, memory: request.memory, cpus: machine.sensible(request.cpus),
        firmware: request.usesEFI ? machine.firmware : nil, kernelCommandLine: Self.kernelCommandLine,
        clock: Self.clock)
    }
  }

  private func steps(_ request: Request, _ disk: DiskLayout, _ pour: PourPlan) -> [PlannedStep] {
    StepList(
      disk: disk, pour: pour,
      content: ByteSize(bytes: closure.tree.blocks * UInt64(Ext4Format.blockSize)),
      contents: request.contents, kept: closure.contentState, system: closure.system,
      profileTime: Self.clock,
      installBootLoader: request.installBootLoader, touchEFIVariables: request.touchEFIVariables,
      bootFiles: closure.bootFiles, grubDevice: request.grubDevice, rootOptions: request.mkfsOptions,
      postInstall: request.postInstall,
      limit: stepTimeLimit
    ).steps
  }

  private func outputs(_ request: Request) -> OutputPlan {
    OutputPlan(
      images: request.formats.map { format in
        OutputImage(
          format: format, file: "\(request.baseName).\(format.fileExtension)",
          identifier: identifiers.guid("image/\(format.rawValue)"))
      },
      efiVariables: request.usesEFI ? "efi-vars.fd" : nil,
      efiVarsForm: request.usesEFI ? request.variablesForm : nil,
      stripFirmwareVariables: request.usesEFI ? request.stripsFirmwareVariables : nil)
  }
}

/// What a VM would be made of on this machine.
public struct MachineFacts: Hashable, Sendable {
  /// The firmware and the template of its variable store; nil for a BIOS.
  public var firmware: FirmwarePair?
  /// What runs the guest's processors.
  public var accelerator: Accelerator.Kind
  /// How many processors this process may use; nil when another machine runs the guest.
  public var processors: Int?

  /// Gathers the facts.
  public init(firmware: FirmwarePair?, accelerator: Accelerator.Kind, processors: Int? = nil) {
    self.firmware = firmware
    self.accelerator = accelerator
    self.processors = processors
  }

  /// As many of the wanted processors as make sense: threads that wait for each other's locks on too few processors
  /// take many times as long, and a boot does not end in time.
  func sensible(_ wanted: Int) -> Int {
    processors.map { min(wanted, max(2, 2 * $0)) } ?? wanted
  }
}
