internal import Basics
internal import ImageModel

/// Where everything is on a FAT filesystem (Microsoft FAT specification, 3).
struct FATGeometry: Hashable {
  /// How wide the entries of the allocation table are.
  enum Width: Int {
    case fat12 = 12
    case fat16 = 16
    case fat32 = 32

    /// The most clusters that it can count.
    var limit: UInt64 {
      switch self {
      case .fat12: 4084
      case .fat16: 65524
      case .fat32: 0x0fff_fff5
      }
    }
    /// What ends a file.
    var end: UInt32 {
      switch self {
      case .fat12: 0xfff
      case .fat16: 0xffff
      case .fat32: 0x0fff_ffff
      }
    }
    /// The entries of a root directory in a place of its own.
    var rootEntries: Int { self == .fat32 ? 0 : 512 }
    /// Sectors in front of the first table.
    var reserved: UInt64 { self == .fat32 ? 32 : 1 }
  }

  let width: Width
  let sectorSize: UInt64
  let sectors: UInt64
  let sectorsInCluster: UInt64
  /// Sectors of one of the two tables.
  let tableSectors: UInt64
  let clusters: UInt64

  var clusterSize: UInt64 { sectorSize * sectorsInCluster }
  /// Sectors of a root directory in a place of its own.
  var rootSectors: UInt64 { (UInt64(width.rootEntries) * 32 + sectorSize - 1) / sectorSize }
  var rootStart: UInt64 { (width.reserved + 2 * tableSectors) * sectorSize }
  var dataStart: UInt64 { rootStart + rootSectors * sectorSize }

  /// Where a cluster begins, in bytes of the filesystem; the first cluster is 2.
  func place(of cluster: UInt64) -> UInt64 { dataStart + (cluster - 2) * clusterSize }

  /// FAT32 by the rule of `FATLayout`; smaller filesystems have the least cluster that their table can count.
  ///
  /// - Throws: `Fault` for a size that FAT cannot have.
  init(sectors: UInt64, sectorSize: UInt64) throws(Fault) {
    guard sectorSize == 512 || sectorSize == 4096, sectors <= UInt64(UInt32.max) else {
      throw Fault(.failed, "FAT has at most \(UInt32.max) sectors of 512 or 4096 bytes")
    }
    if let layout = FATLayout(size: sectors * sectorSize, sectorSize: sectorSize),
      let geometry = FATGeometry(.fat32, sectors, sectorSize, layout.clusterSize / sectorSize)
    {
      self = geometry
      return
    }
    for width in [Width.fat12, .fat16] {
      for count in [1, 2, 4, 8, 16, 32, 64] as [UInt64] {
        if let geometry = FATGeometry(width, sectors, sectorSize, count) {
          self = geometry
          return
        }
      }
    }
    throw Fault(.failed, "\(ByteSize(bytes: sectors * sectorSize)) cannot be the size of a FAT filesystem")
  }

  /// Nil where the table of this width cannot count the clusters, or they are so few that it would be another's.
  private init?(_ width: Width, _ sectors: UInt64, _ sectorSize: UInt64, _ sectorsInCluster: UInt64) {
    self.width = width
    self.sectorSize = sectorSize
    self.sectors = sectors
    self.sectorsInCluster = sectorsInCluster
    let root = (UInt64(width.rootEntries) * 32 + sectorSize - 1) / sectorSize
    guard sectors > width.reserved + root else { return nil }
    let room = sectors - width.reserved - root
    // As many table sectors as the clusters need that are left beside them.
    func table(_ clusters: UInt64) -> UInt64 {
      ((clusters + 2) * UInt64(width.rawValue) + 8 * sectorSize - 1) / (8 * sectorSize)
    }
    var tableSectors = table(room / sectorsInCluster)
    while tableSectors > 1,
      table((room - min(room, 2 * (tableSectors - 1))) / sectorsInCluster) <= tableSectors - 1
    {
      tableSectors -= 1
    }
    guard room > 2 * tableSectors else { return nil }
    self.tableSectors = tableSectors
    clusters = (room - 2 * tableSectors) / sectorsInCluster
    let least: UInt64 = width == .fat32 ? 65525 : width == .fat16 ? 4085 : 1
    guard clusters >= least, clusters <= width.limit else { return nil }
  }
}
