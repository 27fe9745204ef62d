internal import AgentProtocol
internal import Basics
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
    if let handed = plan.handover {
      try await site.recorder.step(.seal) {
        let (archive, trees) = try await onThread {
          let archive = try HandoverArchive(
            disks.handover, trees: handed.trees.count, regions: handed.regions.map(\.length.bytes),
            keeping: handed.trees.firstIndex { !$0.poured.isEmpty }, latest: plan.pour.time)
          return (archive, try SealedTrees(archive, at: handed.trees.map(\.mountPoint)))
        }
        if let record = site.trees {
          try await onThread {
            for (number, tree) in handed.trees.enumerated() {
              try record.add(trees.nodes(ofTree: number), at: tree.mountPoint)
            }
          }
        }
        for edit in trees.changed { SealRule.tell(edit, site.recorder) }
        try await DiskSeal(
          plan: plan, layout: plan.target, disk: disks.target, archive: archive, sealed: trees,
          runner: site.runner
        ).run(handed.trees, handed.regions)
        try disks.removeGuestWrites()
      }
    } else {
      try await disks.merge(site.recorder)
      // Without a guest nobody has written it yet.
      if plan.machine == nil {
        try await PartitionTableWriter(runner: site.runner).write(plan.target, to: disks.target)
      }
    }
    return Sealed(
      plan: plan, disk: disks.target,
      variables: try installed.variables.map {
        try SealedVariables(sealing: $0, for: plan.outputs, enrolling: installed.secureBoot)
      })
  }
}
