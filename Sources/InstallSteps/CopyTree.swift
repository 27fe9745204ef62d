internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
internal import SystemPackage

extension CopyTree {
  private static let mountPoint = "/mnt/source"
  /// What a filesystem makes for itself.
  private static let ownEntries: Set = ["lost+found"]

  /// Mounts the source disk, copies all that is on it into the root, and unmounts it.
  func run(in context: StepContext) async throws {
    let step = self
    let place = Self.mountPoint
    let total = try await onThread {
      try Mounts.require(context.root)
      let node = try context.devices.disk(serial: step.sourceDisk).node
      try dropCachedBlocks(of: node)
      try Files.makeDirectories(place, below: "")
      try Mounts.mount(
        node, on: place, type: step.sourceType, options: [.readOnly, .noSetUID, .noDevices, .noAccessTimes])
      return try usedBytes(at: place)
    }
    let progress = CopyProgress(total: total, emit: context.emit)
    try await TreeCopy(from: place, to: context.root, without: Self.ownEntries, progress: progress)
      .run(workers: workers)
    progress.finish()
    try await onThread { try Mounts.unmount(place) }
  }
}

/// The space in use on the filesystem mounted at `place`.
private func usedBytes(at place: String) throws -> UInt64 {
  var status = statfs()
  try checked("ask for the size of the source disk") { slipway_statfs(place, &status) }
  let blocks = UInt64(status.f_blocks).subtractingReportingOverflow(UInt64(status.f_bfree)).partialValue
  return blocks.multipliedReportingOverflow(by: UInt64(max(status.f_bsize, 0))).partialValue
}
