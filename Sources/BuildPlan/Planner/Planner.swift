internal import Basics
internal import Ext4Geometry
internal import ImageModel

/// Turns a resolved spec and facts into a plan. Pure: the same arguments give the same plan.
package struct Planner: Sendable {
  /// What is asked for.
  package var spec: ResolvedSpec
  /// The closure to install.
  package var closure: ClosureFacts
  /// What a VM would be made of; nil for a plan that needs none.
  package var machine: MachineFacts?
  /// After this many seconds an in-guest step counts as hung; nil leaves the choice to the plan.
  package var stepTimeLimit: Int?

  /// Gathers what a plan is made of.
  package init(
    spec: ResolvedSpec, closure: ClosureFacts, machine: MachineFacts?, stepTimeLimit: Int? = nil
  ) {
    self.spec = spec
    self.closure = closure
    self.machine = machine
    self.stepTimeLimit = stepTimeLimit
  }

  /// Makes the plan.
  ///
  /// - Throws: `SpecError` for the first thing of the spec that cannot be built.
  package func plan() throws(SpecError) -> BuildPlan {
    if let limit = stepTimeLimit, !(1...TimeLimit.longest).contains(limit) {
      throw SpecError(
        "step-timeout", "\(limit) seconds cannot be the limit of a step",
        remedy: "Give 1 to \(TimeLimit.longest), which is a year")
    }
    let geometry = DiskGeometry(spec)
    let root = try rootSize(geometry)
    try BootSpace(
      closure: closure, installsBootLoader: spec.installBootLoader, sectorSize: spec.sectorSize
    ).check(geometry, spec)
    let layout = layout(geometry, root)
    try checkFormats(layout)
    let place = rootPlace(layout, root)
    let pour = pour(place)
    var disks = [PlannedDisk(role: .target, serial: DiskSerial.target, size: layout.size, layout: layout)]
    if spec.store == .host {
      disks.append(PlannedDisk(role: .scratch, serial: DiskSerial.scratch, size: place.size))
    }
    if disks[pour.device] == nil {
      disks.append(PlannedDisk(role: .source, serial: pour.device.serial, size: pour.size))
    }
    let seal = SealPlan(spec, layout, pour)
    if let seal { disks.append(seal.disk) }
    return BuildPlan(
      system: closure.systems[spec.currentGeneration - 1],
      generations: spec.onlyNixStore ? nil : generations, disks: disks, pour: pour,
      machine: spec.onlyNixStore ? nil : machinePlan,
      steps: spec.onlyNixStore ? [] : steps(layout, place, pour, seal),
      preVM: spec.preVM, postVM: spec.postVM, outputs: outputs, secureBoot: spec.secureBoot)
  }

  /// `panic=-1` turns a panic into a reset, which ends the domain. A static Swift program needs `SWIFT_ROOT`
  /// to start where `/proc` is not mounted yet; the kernel hands words it does not know to init. On a busy host an
  /// emulated timer fails the kernel's check (`8254 timer not connected to IO-APIC`), and a guest without it hangs later:
  /// `no_timer_check` has the kernel trust it.
  package static let kernelCommandLine =
    "console=\(Architecture.current.console) panic=-1 SWIFT_ROOT=/ quiet cryptomgr.notests no_timer_check"

  private func rootSize(_ geometry: DiskGeometry) throws(SpecError) -> RootSize {
    var fixed: ByteSize?
    if case .fixed(let size) = spec.diskSize {
      fixed = geometry.root(onDiskOf: size) ?? ByteSize(bytes: 0)
    }
    return try RootSize(
      spec, closure: closure, fixed: fixed, overhead: spec.store == .host ? 0 : geometry.overhead)
  }

  private func checkFormats(_ disk: DiskLayout) throws(SpecError) {
    for format in spec.formats {
      guard let largest = format.largestDisk, disk.size > largest else { continue }
      throw SpecError(
        "format", "\(format.rawValue) holds disks of up to \(largest), and this one has \(disk.size)",
        remedy: "Use another format, or a smaller diskSize or additionalSpace")
    }
  }

  private var identifiers: Identifiers { spec.identifiers(of: closure.systems) }

  private var generations: Generations {
    Generations(profile: spec.profile, systems: closure.systems, current: spec.currentGeneration)
  }

  private func layout(_ geometry: DiskGeometry, _ root: RootSize) -> DiskLayout {
    let sector = geometry.sectorSize
    func partition(_ number: Int, _ part: Layout.Part, _ filesystem: Filesystem?) -> Partition {
      Partition(
        number: number, name: part.name, type: part.type,
        guid: geometry.table == .gpt ? identifiers.guid("partition/\(part.name)") : nil,
        start: part.start / sector, sectors: part.size.bytes / sector, filesystem: filesystem)
    }
    var partitions = zip(1..., geometry.parts).map { number, part in
      // Without an installation nothing would be in them.
      partition(number, part, spec.onlyNixStore ? nil : filesystem(of: part))
    }
    if spec.store == .image {
      let type: PartitionType? =
        switch geometry.table {
        case .gpt: .linux
        case .mbr: .linuxCode
        case .none: nil
        }
      partitions.append(
        Partition(
          number: geometry.table == .none ? 0 : partitions.count + 1, name: "root", type: type,
          guid: geometry.table == .gpt ? spec.rootGPUID ?? identifiers.guid("partition/root") : nil,
          start: geometry.rootStart / sector, sectors: root.size.bytes / sector,
          filesystem: rootFilesystem(root)))
    }
    for (part, entry) in zip(geometry.further, spec.further) {
      partitions.append(partition(partitions.count + 1, part, filesystem(of: entry)))
    }
    return DiskLayout(
      table: geometry.table, sectorSize: sector,
      sectors: (spec.store == .host
        ? geometry.sizeWithoutRoot(unit: spec.diskUnit) : root.size.bytes + geometry.overhead) / sector,
      guid: identifiers.guid("disk"), partitions: partitions)
  }

  private func rootFilesystem(_ root: RootSize) -> Filesystem {
    Filesystem(
      kind: spec.filesystem, label: spec.label,
      uuid: spec.filesystem.takesUUID ? spec.rootUUID(of: closure.systems) : nil, mountPoint: "/",
      inodes: root.inodes)
  }

  /// Where the root is while the system is installed.
  private func rootPlace(_ disk: DiskLayout, _ root: RootSize) -> RootPlace {
    guard let partition = disk.root else {
      return RootPlace(
        device: .disk(serial: DiskSerial.scratch), offset: ByteSize(bytes: 0), size: root.size,
        filesystem: rootFilesystem(root))
    }
    return RootPlace(
      device: partition.device(on: DiskSerial.target),
      offset: ByteSize(bytes: partition.start * disk.sectorSize),
      size: ByteSize(bytes: partition.sectors * disk.sectorSize), filesystem: rootFilesystem(root))
  }

  private func filesystem(of part: Layout.Part) -> Filesystem? {
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
  private func pour(_ root: RootPlace) -> PourPlan {
    let hashSeed = spec.rootUUID(of: closure.systems)
    if spec.onlyNixStore || spec.poursRoot {
      return PourPlan(
        tree: spec.onlyNixStore ? .store : .root, device: root.device, offset: root.offset, size: root.size,
        filesystem: root.filesystem, hashSeed: hashSeed, time: spec.time)
    }
    let need = closure.tree.filesystem(room: ByteSize(bytes: 0))
    return PourPlan(
      tree: .root, device: .disk(serial: DiskSerial.source), offset: ByteSize(bytes: 0),
      size: need?.size ?? ByteSize(bytes: 0),
      filesystem: Filesystem(
        // Not the root's: mkfs.btrfs takes no UUID that another disk has.
        kind: .ext4, label: "", uuid: identifiers.guid("filesystem/source"), mountPoint: "/",
        inodes: need?.inodes),
      hashSeed: hashSeed, time: spec.time)
  }

  private var machinePlan: MachinePlan? {
    machine.map { MachinePlan(for: spec, on: $0) }
  }

  private func steps(
    _ layout: DiskLayout, _ root: RootPlace, _ pour: PourPlan, _ seal: SealPlan?
  ) -> [PlannedStep] {
    StepList(
      layout: layout, root: root, pour: pour,
      content: ByteSize(bytes: closure.tree.blocks * UInt64(Ext4Format.blockSize)), contents: spec.contents,
      kept: closure.contentState, generations: generations,
      profileTime: spec.time,
      installBootLoader: spec.installBootLoader, touchEFIVariables: spec.touchEFIVariables,
      bootFiles: closure.bootFiles, signs: spec.secureBoot?.sign != nil, grubDevices: spec.grubDevices,
      rootOptions: spec.mkfsOptions,
      postInstall: spec.postInstall, seal: seal,
      limit: stepTimeLimit
    ).steps
  }

  private var outputs: OutputPlan {
    OutputPlan(
      images: spec.formats.map { format in
        OutputImage(
          disk: DiskSerial.target, format: format, file: "\(spec.baseName).\(format.fileExtension)",
          identifier: identifiers.guid("image/\(format.rawValue)"))
      },
      efiVariables: spec.usesEFI ? OutputPlan.variablesFile : nil,
      efiVarsForm: spec.usesEFI ? spec.variablesForm : nil,
      stripFirmwareVariables: spec.usesEFI ? spec.stripsFirmwareVariables : nil)
  }
}

/// Where the root is while the system is installed.
struct RootPlace {
  var device: BlockDevice
  /// Where on its disk it begins.
  var offset: ByteSize
  var size: ByteSize
  var filesystem: Filesystem
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

extension MachinePlan {
  /// The machine that installs what a spec describes.
  package init(for spec: ResolvedSpec, on machine: MachineFacts) {
    self.init(
      accelerator: machine.accelerator, memory: spec.memory, cpus: machine.sensible(spec.cpus),
      firmware: spec.usesEFI ? machine.firmware : nil, kernelCommandLine: Planner.kernelCommandLine,
      clock: spec.time)
  }
}
