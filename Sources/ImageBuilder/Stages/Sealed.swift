internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// A disk that was sealed from what a guest has handed over.
struct SealedBytes: Sendable {
  /// SHA-256 of the disk, where it becomes an artefact as it is.
  let digest: String?
}

/// Disk and variables in their final bytes: nothing changes them any more.
struct Sealed: Sendable {
  let plan: BuildPlan
  let disk: FilePath
  /// SHA-256 of the disk, where it is known by now.
  let digest: String?
  /// Nil without EFI.
  let variables: SealedVariables?

  /// - Throws: `Fault`, `CancellationError`.
  static func make(from installed: Installed, at site: BuildSite) async throws -> Sealed {
    let (plan, disks) = (installed.plan, installed.disks)
    if installed.sealed != nil {
      try disks.removeGuestWrites()
    } else {
      try await disks.merge(site.recorder)
      // Without a guest nobody has written it yet.
      if plan.machine == nil {
        try await PartitionTableWriter(runner: site.runner).write(plan.target, to: disks.target)
      }
    }
    return Sealed(
      plan: plan, disk: disks.target, digest: installed.sealed?.digest,
      variables: try installed.variables.map {
        try SealedVariables(
          sealing: $0, for: plan.outputs, hasWorked: plan.addsGeneration, enrolling: installed.secureBoot)
      })
  }

  /// Makes the disk's final bytes from what the guest has handed over. The guest may still power off meanwhile: its own
  /// writes go to the overlay, which nothing reads any more.
  ///
  /// - Returns: nil where nothing is handed over.
  /// - Throws: `Fault`, `CancellationError`.
  static func bytes(of disks: BuildDisks, by plan: BuildPlan, at site: BuildSite) async throws -> SealedBytes?
  {
    guard let handed = plan.handover else { return nil }
    try await site.recorder.step(.seal) {
      try await seal(disks, by: plan, handed.trees, handed.regions, at: site)
    }
    guard plan.outputs.images.contains(where: { $0.format == .raw }) else { return SealedBytes(digest: nil) }
    return SealedBytes(
      digest: try await site.recorder.step(.diskDigest) {
        try await FileDigest.sha256(flushing: disks.target)
      })
  }

  private static func seal(
    _ disks: BuildDisks, by plan: BuildPlan, _ trees: [HandedTree], _ regions: [DiskRegion],
    at site: BuildSite
  ) async throws {
    let (archive, sealed) = try await onThread {
      let archive = try HandoverArchive(
        disks.handover, trees: trees.count, regions: regions.map(\.length.bytes),
        keeping: trees.firstIndex { !$0.poured.isEmpty }, latest: plan.pour.time)
      let sealed = try SealedTrees(archive, at: trees.map(\.mountPoint))
      if let record = site.trees {
        for (number, tree) in trees.enumerated() {
          try record.add(sealed.nodes(ofTree: number), at: tree.mountPoint)
        }
        for (number, region) in regions.enumerated() {
          try record.add(archive.region(number), of: archive.file, as: name(of: region))
        }
      }
      return (archive, sealed)
    }
    for edit in sealed.changed { SealRule.tell(edit, site.recorder) }
    try await DiskSeal(
      plan: plan, layout: plan.target, disk: disks.target, archive: archive, sealed: sealed,
      runner: site.runner
    ).run(trees, regions)
  }

  private static func name(of region: DiskRegion) -> String {
    switch region.device {
    case .disk: "bytes from \(region.offset.bytes) of the disk"
    case .partition(_, let number): "the first bytes of partition \(number)"
    }
  }
}
