internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// Disk and variables in their final bytes: nothing changes them any more.
struct Sealed: Sendable {
  let plan: BuildPlan
  let disk: FilePath
  /// Nil without EFI.
  let variables: SealedVariables?

  /// - Throws: `Fault`, `CancellationError`.
  static func make(from installed: Installed, at site: BuildSite) async throws -> Sealed {
    let (plan, disks) = (installed.plan, installed.disks)
    try await disks.merge(site.recorder)
    let layout = try plan.target
    if plan.machine == nil {
      // Without a guest nobody has written it yet.
      try await PartitionTableWriter(runner: site.runner).write(layout, to: disks.target)
    } else if layout.root == nil {
      try await BootPartitionSeal(layout: layout, disk: disks.target, time: plan.pour.time).run()
    }
    return Sealed(
      plan: plan, disk: disks.target,
      variables: try installed.variables.map {
        try SealedVariables(sealing: $0, for: plan.outputs, enrolling: installed.secureBoot)
      })
  }
}
