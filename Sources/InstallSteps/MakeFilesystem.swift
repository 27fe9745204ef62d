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
    try await context.run(filesystem.makeCommand(node: node, size: sectors * 512))
  }
}

extension Filesystem {
  /// The command that makes it on `node`, `size` bytes large.
  ///
  /// The target disk is a fresh sparse file, so nothing is discarded and, for ext4, nothing is zeroed that is
  /// zero already: neither now nor later by the kernel's own thread.
  func makeCommand(node: String, size: UInt64) -> Command {
    let labelArguments = { (flag: String) in label.isEmpty ? [] : [flag, label] }
    switch kind {
    case .ext4:
      // One -E: mke2fs takes the last one only. Without hash_seed directories would be hashed by a random
      // number.
      let extended = "hash_seed=\(uuid),assume_storage_prezeroed=1,nodiscard"
      return Command(
        "mke2fs",
        ["-q", "-F", "-t", "ext4", "-b", "4096", "-U", uuid.description, "-E", extended]
          + labelArguments("-L") + [node])
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
