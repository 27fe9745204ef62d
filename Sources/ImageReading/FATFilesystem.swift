internal import Basics
package import ImageModel

/// One entry of a FAT directory.
package struct FATEntry: Sendable {
  /// Its long name, or the short one where it has none.
  package var name: String
  /// Its bytes on the disk, 32 of them.
  package var record: [UInt8]
  /// The entries of its long name, as they are on the disk.
  package var longRecords: [UInt8]

  package var attributes: UInt8 { record[11] }
  package var isLabel: Bool { attributes & 0x08 != 0 }
  package var isDirectory: Bool { attributes & 0x18 == 0x10 }
  /// "." or "..".
  package var isDot: Bool { record[0] == 0x2e }
  package var size: UInt64 { record.littleEndian(at: 28, 4) }

  func firstCluster(_ width: Int) -> UInt64 {
    record.littleEndian(at: 26, 2) | (width == 32 ? record.littleEndian(at: 20, 2) << 16 : 0)
  }
}

/// A reader of FAT12, FAT16 and FAT32 for filesystems of whatever origin: every number is checked before it is used, and
/// the work is limited by the size of the filesystem.
///
/// Microsoft FAT specification.
package final class FATFilesystem {
  package let bootSector: [UInt8]
  /// Bits of an entry of the tables: 12, 16 or 32.
  package let width: Int
  package let sectorSize: UInt64
  package let clusterSize: UInt64
  package let clusters: UInt64
  package let tables: UInt64
  package let tableSectors: UInt64
  package let reservedSectors: UInt64
  /// The whole filesystem, in bytes.
  package let size: UInt64
  /// The root directory of FAT12 and FAT16, in bytes of the filesystem; empty on FAT32.
  package let rootPlace: Range<UInt64>
  /// The first table.
  package let table: [UInt8]

  private let disk: ImageBytes
  private var budget: UInt64

  /// Whether there is one, by the fields that no other filesystem fills in this way. NTFS and exFAT have no tables of FAT's
  /// kind.
  package static func isAt(_ disk: ImageBytes) throws -> Bool {
    let sector = try disk.bytes(512, at: 0)
    guard sector.littleEndian(at: 510, 2) == 0xaa55 else { return false }
    let (bytes, sectors) = (sector.littleEndian(at: 11, 2), sector.littleEndian(at: 13, 1))
    return [512, 1024, 2048, 4096].contains(bytes) && sectors.nonzeroBitCount == 1
      && sector.littleEndian(at: 14, 2) > 0 && (1...2).contains(sector.littleEndian(at: 16, 1))
      && sector.littleEndian(at: 21, 1) >= 0xf0
  }

  /// - Parameter disk: the filesystem from its first byte on.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  package init(_ disk: ImageBytes) throws {
    guard try Self.isAt(disk) else { throw UnreadableStructure("it has no boot sector of FAT") }
    let sector = try disk.bytes(512, at: 0)
    func field(_ offset: Int, _ size: Int) -> UInt64 { sector.littleEndian(at: offset, size) }
    sectorSize = field(11, 2)
    clusterSize = field(13, 1) * sectorSize
    reservedSectors = field(14, 2)
    tables = field(16, 1)
    tableSectors = field(22, 2) == 0 ? field(36, 4) : field(22, 2)
    let sectors = field(19, 2) == 0 ? field(32, 4) : field(19, 2)
    let rootBytes = field(17, 2) * 32
    let rootStart = (reservedSectors + tables * tableSectors) * sectorSize
    let dataStart = rootStart + (rootBytes + sectorSize - 1) / sectorSize * sectorSize
    size = sectors * sectorSize
    guard tableSectors > 0, dataStart < size, size <= disk.size else {
      throw UnreadableStructure("it has \(size) bytes, and its partition \(disk.size)")
    }
    clusters = (size - dataStart) / clusterSize
    width = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32
    rootPlace = rootStart..<dataStart
    guard tableSectors * sectorSize <= 64 << 20,
      (clusters + 2) * UInt64(width) <= tableSectors * sectorSize * 8
    else { throw UnreadableStructure("its tables have \(tableSectors) sectors for \(clusters) clusters") }
    guard (width == 32) == (rootBytes == 0) else { throw UnreadableStructure("it is no FAT of a known kind") }
    table = try disk.bytes(Int(tableSectors * sectorSize), at: reservedSectors * sectorSize)
    guard table.count == Int(tableSectors * sectorSize) else { throw UnreadableStructure("it is cut short") }
    bootSector = sector
    self.disk = disk
    budget = clusters * 4 + 4096
  }

  package var bootLayout: RecordLayout { width == 32 ? .fat32BootSector : .fatBootSector }

  /// Where the data of a cluster is; the first cluster is 2.
  package func place(of cluster: UInt64) -> Range<UInt64> {
    let start = rootPlace.upperBound + (cluster - 2) * clusterSize
    return start..<start + clusterSize
  }

  /// What the table says of a cluster.
  package func link(of cluster: UInt64, in table: [UInt8]) -> UInt64 {
    switch width {
    case 12:
      let value = table.littleEndian(at: Int(cluster + cluster / 2), 2)
      return cluster.isMultiple(of: 2) ? value & 0xfff : value >> 4
    case 16: return table.littleEndian(at: Int(cluster * 2), 2)
    default: return table.littleEndian(at: Int(cluster * 4), 4) & 0x0fff_ffff
    }
  }

  package func isFree(_ cluster: UInt64) -> Bool { link(of: cluster, in: table) == 0 }

  /// The clusters of a file or directory.
  ///
  /// - Throws: `UnreadableStructure` for a chain that leads out of the filesystem or back.
  package func chain(from first: UInt64) throws -> [UInt64] {
    guard first != 0 else { return [] }
    var chain: [UInt64] = []
    var next = first
    while next < (width == 32 ? 0x0fff_fff8 : width == 16 ? 0xfff8 : 0xff8) {
      guard next >= 2, next < clusters + 2, budget > 0 else {
        throw UnreadableStructure("it has a chain of clusters that leads out of it, or back")
      }
      budget -= 1
      chain.append(next)
      next = link(of: next, in: table)
    }
    try Cancellation.check()
    return chain
  }

  package func chain(of entry: FATEntry) throws -> [UInt64] {
    try entry.isLabel ? [] : chain(from: entry.firstCluster(width))
  }

  /// The clusters of the root directory; none for one in a place of its own.
  package func rootChain() throws -> [UInt64] {
    width == 32 ? try chain(from: bootSector.littleEndian(at: 44, 4)) : []
  }

  /// - Parameter count: bytes of the filesystem, at most 16 MiB.
  package func bytes(_ place: Range<UInt64>) throws -> [UInt8] {
    let bytes = try disk.bytes(Int(place.upperBound - place.lowerBound), at: place.lowerBound)
    guard bytes.count == Int(place.upperBound - place.lowerBound) else {
      throw UnreadableStructure("it is cut short")
    }
    return bytes
  }

  /// The entries of a directory, in their order.
  ///
  /// - Parameter chain: its clusters; nil for a root directory in a place of its own.
  package func entries(_ chain: [UInt64]?) throws -> [FATEntry] {
    // 65536 entries are the most that a directory may have.
    let most = Int((65536 * 32 + clusterSize - 1) / clusterSize)
    let data = try chain.map { try $0.prefix(most).flatMap { try bytes(place(of: $0)) } } ?? bytes(rootPlace)
    var entries: [FATEntry] = []
    var long: [UInt8] = []
    for start in stride(from: 0, through: min(data.count, 65536 * 32) - 32, by: 32) {
      let record = Array(data[start..<start + 32])
      if record[0] == 0 { break }
      if record[0] == 0xe5 {
        long = []
      } else if record[11] & 0x3f == 0x0f {
        long += record
      } else {
        let name = Self.longName(long, of: record) ?? Self.shortName(record)
        entries.append(FATEntry(name: name, record: record, longRecords: long))
        long = []
      }
    }
    return entries
  }

  /// Nil where the entries are not those of this short name, or not whole.
  private static func longName(_ records: [UInt8], of short: [UInt8]) -> String? {
    let count = records.count / 32
    guard (1...20).contains(count) else { return nil }
    let sum = short[..<11].reduce(UInt8(0)) { ($0 >> 1 | $0 << 7) &+ $1 }
    var units: [UInt16] = []
    for index in (0..<count).reversed() {
      let record = Array(records[index * 32..<index * 32 + 32])
      guard Int(record[0] & 0x3f) == count - index, record[13] == sum else { return nil }
      for place in [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] {
        units.append(UInt16(truncatingIfNeeded: record.littleEndian(at: place, 2)))
      }
    }
    return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
  }

  private static func shortName(_ record: [UInt8]) -> String {
    func part(_ range: Range<Int>, lowerCase bit: UInt8 = 0) -> String {
      var bytes = Array(record[range])
      while bytes.last == 0x20 { bytes.removeLast() }
      return record[12] & bit == 0 ? printableName(bytes) : printableName(bytes).lowercased()
    }
    guard record[11] & 0x08 == 0, record[0] != 0x2e else { return part(0..<11) }
    // Windows NT's bits, which Linux and mtools write and read: a name of small letters alone needs no long one.
    let (name, suffix) = (part(0..<8, lowerCase: 0x08), part(8..<11, lowerCase: 0x10))
    return suffix.isEmpty ? name : "\(name).\(suffix)"
  }
}
