internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension StepContext {
  /// Makes the filesystem with every identifier given.
  func makeFilesystem(on device: BlockDevice, _ filesystem: Filesystem, options: [String]) async throws {
    let (node, size, sectorSize) = try await onThread {
      let device = try devices.device(device)
      // sysfs counts in 512 bytes, whatever the disk's own sectors are.
      return (device.node, try device.extent().count * 512, try device.sectorSize())
    }
    guard
      let command = try filesystem.makeCommand(
        node: node, size: size, sectorSize: sectorSize, options: options)
    else {
      throw StepFailure(
        message:
          "the host makes \(filesystem.kind.rawValue) filesystems, and the plan wants one from the guest")
    }
    try await run(command)
  }
}

extension Filesystem {
  /// The command that makes it on `node`, `size` bytes large; nil for those that only the host makes.
  ///
  /// The target disk is a fresh sparse file, so nothing is discarded.
  ///
  /// - Parameter options: a user's words.
  /// - Throws: `Fault` for words that the planner would have refused.
  func makeCommand(
    node: String, size: UInt64, sectorSize: UInt64 = 512, options: [String] = []
  ) throws -> Command? {
    guard !kind.isReadOnly else { return nil }
    let words = try MkfsWords(options, for: kind)
    let writable = kind.writable
    let request = WritableFilesystem.MakeRequest(
      kind: kind, label: label.isEmpty ? nil : label, uuid: uuid, size: size, sectorSize: sectorSize,
      inodes: inodes, words: words)
    let own = writable?.arguments(request) ?? []
    return Command(kind.tool, own + words.words(without: writable?.mergedOptions ?? []) + [node])
  }
}
