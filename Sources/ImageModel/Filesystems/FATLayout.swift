/// FAT32 on a partition, as it is made and as plans count with it: with the largest clusters, up to 4 KiB, that leave it
/// FAT32.
///
/// UEFI wants FAT32, which needs 65525 clusters. mkfs.fat alone takes clusters of 512 bytes up to 260 MiB, and the kernel
/// and the firmware work cluster by cluster.
package struct FATLayout: Hashable, Sendable {
  /// The sizes that clusters may have, in bytes.
  package static let clusterSizes: [UInt64] = [4096, 2048, 1024, 512]

  /// In bytes.
  package let clusterSize: UInt64
  /// How many there are for files and directories.
  package let clusters: UInt64

  /// - Returns: nil for a partition that is too small for FAT32.
  package init?(size: UInt64, sectorSize: UInt64) {
    let sectors = size / sectorSize
    for clusterSize in Self.clusterSizes where clusterSize >= sectorSize {
      // 32 reserved sectors, and twice four bytes a cluster.
      let clusters = (sectors - min(sectors, 32)) * sectorSize / (clusterSize + 8)
      guard clusters >= 65525 + 16 else { continue }
      self.clusterSize = clusterSize
      self.clusters = clusters
      return
    }
    return nil
  }
}
