internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension MakeFilesystem {
  /// Makes the filesystem with every identifier given.
  func run(in context: StepContext) async throws {
    let (node, size, sectorSize) = try await onThread { [disk, partition] in
      let device = try context.devices.disk(serial: disk).partition(partition)
      // sysfs counts in 512 bytes, whatever the disk's own sectors are.
      return (device.node, try device.extent().count * 512, try device.disk.sectorSize())
    }
    guard
      let command = try filesystem.makeCommand(
        node: node, size: size, sectorSize: sectorSize, options: options)
    else {
      throw StepFailure(
        message:
          "the host makes \(filesystem.kind.rawValue) filesystems, and the plan wants one from the guest")
    }
    try await context.run(command)
  }
}

extension Filesystem {
  /// The command that makes it on `node`, `size` bytes large; nil for those that only the host makes.
  ///
  /// The target disk is a fresh sparse file, so nothing is discarded.
  ///
  /// - Parameter options: a user's words.
  /// - Throws: `StepFailure` for words that the planner would have refused.
  func makeCommand(
    node: String, size: UInt64, sectorSize: UInt64 = 512, options: [String] = []
  ) throws -> Command? {
    guard !kind.isReadOnly else { return nil }
    do {
      let words = try MkfsWords(options, for: kind)
      return Command(
        kind.tool,
        makeArguments(size: size, sectorSize: sectorSize, words)
          + words.words(without: kind.isExt ? ["-E"] : [])
          + [node])
    } catch {
      throw StepFailure(message: error.message, remedy: error.remedy)
    }
  }

  /// - Parameter words: a user's. `-E` of theirs is merged with ours, as `mke2fs` only takes the last one.
  private func makeArguments(size: UInt64, sectorSize: UInt64, _ words: MkfsWords) -> [String] {
    func flag(_ flag: String, _ value: String?) -> [String] { value.map { [flag, $0] } ?? [] }
    let label = label.isEmpty ? nil : label
    let uuid = uuid?.description
    switch kind {
    case .ext2, .ext3, .ext4:
      // Without the last, tables are zeroed on a disk of zeros, or left for the kernel to be zeroed later.
      let extended =
        ["nodiscard", "assume_storage_prezeroed=1"] + (uuid.map { ["hash_seed=\($0)"] } ?? [])
        + words.values(of: "-E")
      // A number of inodes would go before a user's ratio.
      let inodes = words.has("-i", "-N") ? nil : inodes
      return ["-q", "-F", "-t", kind.rawValue, "-b", "4096", "-E", extended.joined(separator: ",")]
        + flag("-N", inodes.map(String.init)) + flag("-U", uuid) + flag("-L", label)
    case .xfs:
      return ["-q", "-f", "-K"] + flag("-m", uuid.map { "uuid=\($0)" }) + flag("-L", label)
    case .btrfs:
      return ["-q", "-f", "-K"] + flag("-U", uuid) + flag("-L", label)
    case .f2fs:
      // -t 0: no discard; -r: no random start of its checkpoints' numbers.
      return ["-q", "-f", "-t", "0", "-r"] + flag("-U", uuid) + flag("-l", label)
    case .swap:
      return flag("-U", uuid) + flag("-L", label)
    case .vfat:
      return ["--invariant"] + flag("-i", uuid.map { String($0.prefix(8)) }) + flag("-n", label)
        + fatGeometry(size: size, sectorSize: sectorSize)
    default:
      return []
    }
  }
}

/// Nothing where mkfs.fat chooses.
private func fatGeometry(size: UInt64, sectorSize: UInt64) -> [String] {
  guard let layout = FATLayout(size: size, sectorSize: sectorSize) else { return [] }
  return ["-F", "32", "-s", String(layout.clusterSize / sectorSize)]
}
