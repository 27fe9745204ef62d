internal import AgentProtocol
package import Basics
package import Ext4Geometry
package import ImageModel

/// What an image has that a generation is to be added to, as far as a plan depends on it.
package struct ImageFacts: Hashable, Sendable {
  /// A filesystem that boot loaders read, and what is known to go onto it.
  package struct BootPlace: Hashable, Sendable {
    /// Where the system mounts it.
    package var mountPoint: String
    /// Its free space.
    package var free: ByteSize
    /// Kernels and initrds of the new system that are not on it.
    package var need: ByteSize

    package init(mountPoint: String, free: ByteSize, need: ByteSize) {
      (self.mountPoint, self.free, self.need) = (mountPoint, free, need)
    }
  }

  /// The disk as it is. The filesystems that the installation needs are described, others are not.
  package var layout: DiskLayout
  /// The systems of the profile's generations by their numbers.
  package var generations: [UInt64: String]
  /// The number of the generation that the profile is at; nil for a profile that is at none.
  package var current: UInt64?
  /// Free space of the root.
  package var rootFree: ByteSize
  /// Free inodes of the root; nil where it makes them as it goes.
  package var rootInodes: UInt64?
  /// The filesystems that boot loaders read, but for the root.
  package var boot: [BootPlace]
  /// Absolute paths of one machine's state (`InstallStep.machineState`) that the image does not have, and is not to get.
  package var absentState: [String]

  package init(
    layout: DiskLayout, generations: [UInt64: String], current: UInt64?, rootFree: ByteSize,
    rootInodes: UInt64?, boot: [BootPlace], absentState: [String]
  ) {
    self.layout = layout
    self.generations = generations
    self.current = current
    self.rootFree = rootFree
    self.rootInodes = rootInodes
    self.boot = boot
    self.absentState = absentState
  }
}

/// The file that has the image with a generation added.
package struct AdditionOutput: Hashable, Sendable {
  /// Its name.
  package var file: String
  /// Its format.
  package var format: ImageFormat
  /// The identifier that the format had for it; nil to derive one.
  package var identifier: GUID?
  /// The form of the EFI variable store, where there is one.
  package var variablesForm: VariablesForm

  package init(file: String, format: ImageFormat, identifier: GUID?, variablesForm: VariablesForm) {
    self.file = file
    self.format = format
    self.identifier = identifier
    self.variablesForm = variablesForm
  }
}

/// Turns what an image has, and what is to be added to it, into a plan that begins with the image's disk. Pure: the same arguments
/// give the same plan.
package struct AdditionPlanner: Sendable {
  /// The system, its profile, and the machine that installs it; nothing else of a spec is looked at.
  package var spec: ResolvedSpec
  /// The store path of the system.
  package var system: String
  /// What the store paths that the image lacks take, its new Nix database included.
  package var missing: TreeNeed
  /// What the image has.
  package var image: ImageFacts
  /// What the machine is made of. With firmware, the bootloader reaches the EFI variables.
  package var machine: MachineFacts
  /// The time of the generation's link, and of the guest's clock, in seconds since 1970.
  package var time: Int64
  /// The file that is made.
  package var output: AdditionOutput
  /// Whether the bootloader itself is installed, which a power cut may leave half done. Without, the one that is there stays.
  package var installsLoader: Bool

  package init(
    spec: ResolvedSpec, system: String, missing: TreeNeed, image: ImageFacts, machine: MachineFacts,
    time: Int64, output: AdditionOutput, installsLoader: Bool
  ) {
    self.spec = spec
    self.system = system
    self.missing = missing
    self.image = image
    self.machine = machine
    self.time = time
    self.output = output
    self.installsLoader = installsLoader
  }

  /// The number of the generation, as `nix-env --set` numbers it: one more than the largest there is, or the current one where that
  /// is this system.
  ///
  /// - Throws: `Fault` where numbers have come to their end.
  package var number: Int {
    get throws(Fault) {
      if let current, isCurrent { return current }
      let largest = image.generations.keys.max() ?? 0
      guard largest < UInt64(Int32.max) else {
        throw Fault(
          .badInput, "no generation can come after number \(largest) of the profile \(spec.profile)",
          remedy: "Remove that link in the image, or give another --profile")
      }
      return Int(largest) + 1
    }
  }

  private var current: Int? { image.current.flatMap { Int(exactly: $0) } }
  private var isCurrent: Bool { image.current.map { image.generations[$0] == system } ?? false }

  /// What seeds the hashes of directory entries of the source disk.
  package static func hashSeed(of disk: DiskLayout) -> GUID {
    Identifiers(seed: disk.guid, systems: []).guid("filesystem/source")
  }

  /// Makes the plan.
  ///
  /// - Throws: `Fault` of kind `badInput` where the image has no room.
  package func plan() throws(Fault) -> BuildPlan {
    try checkRoom()
    let identifiers = Identifiers(seed: image.layout.guid, systems: [])
    let source = BlockDevice.disk(serial: DiskSerial.source)
    let size = missing.filesystem(room: ByteSize(bytes: 0))
    let pour = PourPlan(
      tree: .root, device: source, offset: ByteSize(bytes: 0), size: size?.size ?? ByteSize(bytes: 0),
      filesystem: Filesystem(
        kind: .ext4, label: "", uuid: identifiers.guid("filesystem/source"), mountPoint: "/",
        inodes: size?.inodes),
      hashSeed: Self.hashSeed(of: image.layout), time: time)
    return BuildPlan(
      system: system, generations: nil,
      disks: [
        PlannedDisk(
          role: .target, serial: DiskSerial.target, size: image.layout.size, layout: image.layout),
        PlannedDisk(role: .source, serial: DiskSerial.source, size: pour.size),
      ],
      pour: pour,
      machine: MachinePlan(
        accelerator: machine.accelerator, memory: spec.memory, cpus: machine.sensible(spec.cpus),
        firmware: machine.firmware, kernelCommandLine: Planner.kernelCommandLine, clock: time),
      steps: try steps(pour), preVM: nil, postVM: nil, outputs: outputs(identifiers), secureBoot: nil)
  }

  private func outputs(_ identifiers: Identifiers) -> OutputPlan {
    let identifier = output.identifier ?? identifiers.guid("image/\(output.format.rawValue)")
    let hasVariables = machine.firmware != nil
    return OutputPlan(
      images: [
        OutputImage(
          disk: DiskSerial.target, format: output.format, file: output.file, identifier: identifier)
      ],
      efiVariables: hasVariables ? OutputPlan.variablesFile : nil,
      efiVarsForm: hasVariables ? output.variablesForm : nil,
      stripFirmwareVariables: hasVariables ? false : nil)
  }

  /// Each step is on the disk before the next one that would boot what it brings.
  private func steps(_ pour: PourPlan) throws(Fault) -> [PlannedStep] {
    let target = BlockDevice.disk(serial: DiskSerial.target)
    var list: [InstallStep] = []
    if image.layout.table != .none { list.append(.adoptDisk(disk: target, layout: image.layout)) }
    let mounted = image.layout.partitions.compactMap { partition in
      partition.filesystem.map { (device: partition.device(on: DiskSerial.target), filesystem: $0) }
    }
    // A place comes before what is in it.
    list += mounted.sorted { $0.filesystem.mountPoint ?? "" < $1.filesystem.mountPoint ?? "" }.map {
      .mountFilesystem(on: $0.device, filesystem: $0.filesystem)
    }
    list.append(
      .addStorePaths(
        from: pour.device, type: pour.filesystem.kind, workers: 4, content: content))
    if !isCurrent {
      let profile = Generations(profile: spec.profile, systems: [system], current: 1).profilePath
      list.append(
        .setSystemProfile(system: system, profile: profile, generation: try number, time: time))
      list.append(.writeBack)
    }
    list.append(
      .installBootLoader(
        system: system, installsLoader: installsLoader, touchEFIVariables: machine.firmware != nil,
        disk: target,
        diskNames: spec.grubDevices, bootFiles: image.boot.map(\.need).max() ?? ByteSize(bytes: 0)))
    list.append(.unmount(disk: target, removed: image.absentState))
    return list.map { PlannedStep(step: $0, timeLimit: limit(of: $0, pour), secrets: []) }
  }

  /// As for a build; what is copied is copied by an emulated processor, too.
  private func limit(of step: InstallStep, _ pour: PourPlan) -> Int {
    if case .addStorePaths = step { return 600 + Int(pour.size.bytes >> 20) }
    return 600
  }

  private var content: ByteSize { ByteSize(missing.blocks, times: UInt64(Ext4Format.blockSize)) }

  private func checkRoom() throws(Fault) {
    // What directories of the root's own store grow by, and a filesystem other than ext4 takes for the same files.
    let slack = content.bytes / 32 + (4 << 20)
    try check("the root", image.rootFree, ByteSize(bytes: content.bytes.addingSaturated(slack)))
    if let inodes = image.rootInodes, inodes < missing.inodes {
      throw Fault(
        .badInput,
        "the generation does not fit: the root has \(inodes) free inodes, and needs \(missing.inodes)",
        remedy: "Remove old generations and collect garbage in the image")
    }
    for place in image.boot { try check(place.mountPoint, place.free, place.need) }
  }

  private func check(_ place: String, _ free: ByteSize, _ need: ByteSize) throws(Fault) {
    guard free < need else { return }
    throw Fault(
      .badInput,
      "the generation does not fit: \(place) has \(free) free and needs \(need), "
        + "\(ByteSize(bytes: need.bytes - free.bytes)) more",
      remedy: "Remove old generations and collect garbage in the image, or make that filesystem larger")
  }
}

extension UInt64 {
  fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
