internal import ImageModel
internal import SystemPackage

/// The logical partitions of an MBR: a chain of sectors in the extended partition, each with one partition and the place
/// of the next sector ("PC BIOS partition tables", as Linux reads them in block/partitions/msdos.c).
///
/// A chain is whatever a guest wrote: it may lead out of its partition, or back.
struct LogicalPartitions {
  private(set) var entries: [DiskTable.Entry] = []
  /// Why the chain was not followed to its end.
  private(set) var fault: String?

  /// More than Linux gives names to by itself (`DISK_MAX_PARTS`, 256), and little to read.
  private static let most = 256
  /// The number of the first.
  private static let firstNumber = 5

  static func isExtended(_ type: PartitionType) -> Bool {
    [.code(0x05), .code(0x0f), .code(0x85)].contains(type)
  }

  /// - Throws: `Errno`.
  init(in extended: DiskTable.Entry, of disk: DiskFile, sectorSize: UInt64) throws(Errno) {
    fault = try follow(extended, on: disk, sectorSize: sectorSize).map {
      "the chain of logical partitions \($0)"
    }
  }

  /// - Returns: why it was not followed to its end.
  private mutating func follow(
    _ extended: DiskTable.Entry, on disk: DiskFile, sectorSize: UInt64
  ) throws(Errno) -> String? {
    var place = extended.start
    var seen: Set<UInt64> = []
    while true {
      guard seen.insert(place).inserted else { return "leads back to sector \(place)" }
      guard seen.count <= Self.most else { return "has more than \(Self.most) links" }
      guard place - extended.start < extended.sectors, place < disk.size / sectorSize else {
        return "leads out of its partition, to sector \(place)"
      }
      let records = DiskTable.records(in: try disk.sector(place, size: sectorSize))
      for var entry in records where !Self.isExtended(entry.type) && entry.number <= 2 {
        entry.number = Self.firstNumber + entries.count
        entry.start += place
        entries.append(entry)
      }
      guard let next = records.first(where: { Self.isExtended($0.type) }) else { return nil }
      place = extended.start + next.start
    }
  }
}
