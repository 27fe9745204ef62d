internal import AgentProtocol
internal import BuildPlan
internal import ImageModel

/// Nothing runs any more: variables are as the firmware left them, disks as the guest left them, or sealed already from what
/// it handed over. A store alone has no guest, and its disk is what was poured.
struct Installed: Sendable {
  let plan: BuildPlan
  let disks: BuildDisks
  /// Nil without EFI.
  let variables: WorkVariables?
  /// Keys to enrol.
  let secureBoot: SecureBoot?
  /// Nil where the disk is not sealed yet.
  var sealed: SealedBytes?

  /// Makes the disks, pours, and has a guest do every step of the plan.
  ///
  /// - Parameter seal: makes the final disk from what the guest has handed over, while the guest powers off: it does not
  ///   read or write what `seal` does. Where nothing is handed over there is nothing to make.
  /// - Throws: `Fault`, `CancellationError`. The machine is gone then.
  static func make(
    from prepared: Prepared, by installer: Installer, at site: BuildSite,
    sealing seal: @escaping @Sendable (BuildPlan, BuildDisks) async throws -> SealedBytes? = { _, _ in nil }
  ) async throws -> Installed {
    let plan = prepared.plan
    // Before much is written: what would be missed at the end only.
    try HostSpace.check(for: prepared, at: site.work)
    try await DiskExport(runner: site.runner).check(plan.outputs.images.map(\.format))
    let disks = BuildDisks(plan, in: site.work)
    try await disks.make()
    guard let machine = plan.machine else {
      try await pour(prepared, into: disks, site)
      return Installed(plan: plan, disks: disks, variables: nil, secureBoot: nil)
    }
    return try await ApplianceChoice.withCache { cache in
      let appliance = try await site.recorder.step(.appliance) {
        try await installer.appliance.make(
          for: plan.target.partitions.compactMap(\.filesystem?.kind), in: cache)
      }
      try await site.hook("preVM", plan.preVM)
      let variables = try await variables(of: plan, beginningWith: prepared.variables, at: site)
      let session = GuestSession(
        plan: plan, machine: machine, appliance: appliance, installer: installer, disks: disks,
        variables: variables, secrets: prepared.secureBoot?.signing ?? [], site: site
      ) { try await seal(plan, disks) }
      let sealed = try await whilePouring(prepared, into: disks, site) { try await session.run(pour: $0) }
      try disks.removeAllButTarget()
      try variables?.removeConverted()
      return Installed(
        plan: plan, disks: disks, variables: variables, secureBoot: prepared.secureBoot, sealed: sealed)
    }
  }

  private static func variables(
    of plan: BuildPlan, beginningWith store: [UInt8]?, at site: BuildSite
  ) async throws -> WorkVariables? {
    guard let firmware = plan.machine?.firmware, let name = plan.outputs.efiVariables else { return nil }
    return try await WorkVariables.make(name, for: firmware, beginningWith: store, in: site.work)
  }

  private static func pour(_ prepared: Prepared, into disks: BuildDisks, _ site: BuildSite) async throws {
    let plan = prepared.plan.pour
    if let image = prepared.storeImage {
      try await FileRange.copy(of: image, to: disks.poured, at: plan.offset.bytes)
      return try HostFiles.remove(image)
    }
    try await Pour.step(prepared, to: disks.poured, site.recorder)
  }

  /// Pours while `body` runs. Whichever fails first ends the other.
  private static func whilePouring(
    _ prepared: Prepared, into disks: BuildDisks, _ site: BuildSite,
    _ body: @escaping @Sendable (Task<Void, any Error>) async throws -> SealedBytes?
  ) async throws -> SealedBytes? {
    let pour = Task { try await Self.pour(prepared, into: disks, site) }
    return try await withThrowingTaskGroup(of: SealedBytes?.self) { group in
      group.addTask { try await body(pour) }
      group.addTask {
        try await withTaskCancellationHandler {
          try await pour.value
        } onCancel: {
          pour.cancel()
        }
        return nil
      }
      return try await group.reduce(nil) { $0 ?? $1 }
    }
  }
}
