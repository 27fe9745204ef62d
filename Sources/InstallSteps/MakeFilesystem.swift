internal import AgentProtocol
internal import Command
internal import ImageModel
internal import Threads

extension MakeFilesystem {
  /// Makes the filesystem with every identifier given.
  func run(in context: StepContext) async throws {
    let (node, sectors) = try await onThread { [disk, partition] in
      let device = try context.devices.disk(serial: disk).partition(partition)
      return (device.node, try device.extent().count)
    }
    guard let command = filesystem.makeCommand(node: node, size: sectors * 512) else {
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
  func makeCommand(node: String, size: UInt64) -> Command? {
    let labelArguments = { (flag: String) in label.isEmpty ? [] : [flag, label] }
    switch kind {
    case .ext4, .erofs, .squashfs:
      return nil
    case .xfs:
      return Command(
        "mkfs.xfs", ["-q", "-f", "-K", "-m", "uuid=\(uuid)"] + labelArguments("-L") + [node])
    case .btrfs:
      return Command(
        "mkfs.btrfs", ["-q", "-f", "-K", "-U", uuid.description] + labelArguments("-L") + [node])
    case .vfat:
      let volumeID = String(uuid.description.prefix(8))
      return Command(
        "mkfs.fat",
        ["--invariant", "-i", volumeID] + labelArguments("-n") + fatGeometry(size: size) + [node])
    }
  }
}

/// FAT32 with the largest clusters, up to 4 KiB, that leave it one; nothing below that, where mkfs.fat
/// chooses.
///
/// UEFI wants FAT32, which needs 65525 clusters. mkfs.fat alone takes clusters of 512 bytes up to 260 MiB,
/// and the kernel and the firmware work cluster by cluster.
private func fatGeometry(size: UInt64) -> [String] {
  let sectors = size / 512
  for sectorsPerCluster in [8, 4, 2, 1] as [UInt64] {
    // 32 reserved sectors, and twice four bytes a cluster.
    let clusters = (sectors - min(sectors, 32)) * 512 / (512 * sectorsPerCluster + 8)
    if clusters >= 65525 + 16 { return ["-F", "32", "-s", String(sectorsPerCluster)] }
  }
  return []
}
