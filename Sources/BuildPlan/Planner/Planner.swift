internal import AgentProtocol
internal import ImageModel

/// Turns a request and facts into a plan. Pure: the same arguments give the same plan.
public struct Planner: Sendable {
  /// The request.
  public var spec: ImageSpec
  /// The closure to install.
  public var closure: ClosureFacts
  /// The firmware and the template of its variable store.
  public var firmware: FirmwarePair
  /// What runs the guest's processors.
  public var accelerator: Accelerator.Kind
  /// What the source disk may hold at most, and its filesystem.
  public var source: SourcePlan
  /// After this many seconds an in-guest step counts as hung; nil leaves the choice to the plan.
  public var stepTimeLimit: Int?

  /// Gathers what a plan is made of.
  public init(
    spec: ImageSpec, closure: ClosureFacts, firmware: FirmwarePair, accelerator: Accelerator.Kind,
    source: SourcePlan, stepTimeLimit: Int? = nil
  ) {
    self.spec = spec
    self.closure = closure
    self.firmware = firmware
    self.accelerator = accelerator
    self.source = source
    self.stepTimeLimit = stepTimeLimit
  }

  /// Makes the plan.
  ///
  /// - Throws: `SpecError` for the first thing of the request that cannot be built.
  public func plan() throws(SpecError) -> BuildPlan {
    let request = try Request(spec)
    if let limit = stepTimeLimit, limit < 1 {
      throw SpecError("step-timeout", "\(limit) seconds are no time for a step", remedy: "Give 1 or more")
    }
    let rootSize = RootSize(closure: closure, filesystem: request.filesystem, free: request.free)
    let geometry = try DiskGeometry(
      bootSize: request.bootSize, diskSize: request.diskSize, need: rootSize.need, free: request.free)
    try checkBootArea(geometry)
    let disk = layout(request, geometry, inodes: rootSize.inodes)
    let format = spec.format ?? .raw
    return BuildPlan(
      system: closure.system,
      disk: disk,
      source: source,
      machine: MachinePlan(
        accelerator: accelerator, memory: request.memory, cpus: request.cpus, firmware: firmware,
        kernelCommandLine: Self.kernelCommandLine, clock: Self.clock),
      steps: StepList(
        disk: disk, source: source, system: closure.system, profileTime: Self.clock,
        content: closure.content, installBootLoader: spec.installBootLoader ?? true,
        touchEFIVariables: spec.touchEFIVars ?? true, limit: stepTimeLimit
      ).steps,
      outputs: OutputPlan(
        format: format, image: "\(request.baseName).\(format.fileExtension)", efiVariables: "efi-vars.fd"))
  }

  /// 1980-01-02 at noon UTC. FAT cannot keep an earlier year; noon keeps the day the same in a build that is
  /// some hours late by its own clock.
  package static let clock: Int64 = 315_662_400

  /// `panic=-1` turns a panic into a reset, which ends the domain. A static Swift program needs `SWIFT_ROOT`
  /// to start where `/proc` is not mounted yet; the kernel hands words it does not know to init.
  package static let kernelCommandLine = "console=ttyS0 panic=-1 SWIFT_ROOT=/ quiet cryptomgr.notests"

  /// The bootloader, its entries and one more kernel and initrd while they are replaced.
  private func checkBootArea(_ geometry: DiskGeometry) throws(SpecError) {
    guard spec.installBootLoader ?? true else { return }
    let need = closure.bootFiles + .mebibytes(4)
    guard geometry.espSize >= need else {
      throw SpecError(
        "bootSize",
        "the ESP has \(geometry.espSize), and the kernels, initrds and bootloader need \(need)",
        remedy: "Set bootSize to at least \(need.bytes >> 20 + 9)M; it is the ESP's end offset, and the ESP "
          + "starts at 8M")
    }
  }

  private func layout(_ request: Request, _ geometry: DiskGeometry, inodes: UInt64) -> DiskLayout {
    let identifiers = Identifiers(seed: spec.seed, system: closure.system)
    let sector = DiskGeometry.sectorSize
    let esp = Partition(
      number: 1, name: "ESP", type: .efiSystemPartition, guid: identifiers.guid("partition/ESP"),
      start: DiskGeometry.espStart / sector, sectors: geometry.espSize.bytes / sector,
      filesystem: Filesystem(
        kind: .vfat, label: "ESP", uuid: identifiers.guid("filesystem/ESP"), mountPoint: "/boot"))
    let root = Partition(
      number: 2, name: "root", type: .linuxFilesystem,
      guid: spec.rootGPUID ?? identifiers.guid("partition/root"),
      start: geometry.bootEnd / sector, sectors: geometry.rootSize.bytes / sector,
      filesystem: Filesystem(
        kind: request.filesystem, label: request.label,
        uuid: spec.rootFSUID ?? identifiers.guid("filesystem/root"), mountPoint: "/",
        inodes: request.filesystem == .ext4 ? inodes : nil))
    return DiskLayout(
      sectorSize: sector, sectors: geometry.size / sector, guid: identifiers.guid("disk"),
      partitions: [esp, root])
  }
}
