internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
internal import ImageModel
internal import SystemPackage

extension StepContext {
  /// What a filesystem makes for itself.
  private static let ownEntries: Set = ["lost+found"]

  /// Mounts the source, copies all that is on it into the root, and unmounts it.
  func copyTree(from source: BlockDevice, type: FilesystemKind, workers: Int) async throws {
    try await withSource(source, type: type) { place, progress in
      try await TreeCopy(from: place, to: root, without: Self.ownEntries, progress: progress)
        .run(workers: workers)
    }
  }

  /// Runs `body` while a source is mounted beside the root.
  func withSource(
    _ source: BlockDevice, type: FilesystemKind, _ body: (String, CopyProgress) async throws -> Void
  ) async throws {
    let place = "/mnt/source"
    let total = try await onThread {
      try Mounts.require(root)
      let node = try devices.device(source).node
      try dropCachedBlocks(of: node)
      try Files.makeDirectories(place, below: "")
      try Mounts.mount(
        node, on: place, type: type.rawValue, options: [.readOnly, .noSetUID, .noDevices, .noAccessTimes])
      return try usedBytes(at: place)
    }
    let progress = CopyProgress(total: total, emit: emit)
    try await body(place, progress)
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
