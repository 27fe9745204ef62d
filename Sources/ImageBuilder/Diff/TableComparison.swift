internal import Basics
internal import ImageModel
internal import ImageReading

/// Compares the partition tables of two disks by their fields.
struct TableComparison {
  let left: (disk: DiskFile, table: DiskTable)
  let right: (disk: DiskFile, table: DiskTable)
  let list: DifferenceList
  /// What has been compared, in bytes of the disks.
  private(set) var claims: [Range<UInt64>] = []

  init(
    _ left: (disk: DiskFile, table: DiskTable), _ right: (disk: DiskFile, table: DiskTable),
    _ list: DifferenceList
  ) {
    (self.left, self.right, self.list) = (left, right, list)
  }

  private static let region = "partition table"

  /// - Throws: `Errno`.
  mutating func run() throws {
    if left.disk.size != right.disk.size {
      list.add("disk", nil, "size", "\(left.disk.size)", "\(right.disk.size)")
    }
    guard left.table.format == right.table.format else {
      return list.add(Self.region, nil, "format", left.table.format.rawValue, right.table.format.rawValue)
    }
    guard left.table.sectorSize == right.table.sectorSize else {
      return list.add(
        Self.region, nil, "sector size", "\(left.table.sectorSize)", "\(right.table.sectorSize)")
    }
    guard left.table.format != .none else { return }
    try compareMBR()
    if left.table.format == .gpt { try compareGPT() } else { compareLogical() }
    if left.table.faults != right.table.faults {
      list.add(
        Self.region, nil, "faults", left.table.faults.joined(separator: "; "),
        right.table.faults.joined(separator: "; "))
    }
  }

  private mutating func compareMBR() throws {
    claims.append(0..<512)
    let (one, other) = (try left.disk.bytes(512, at: 0), try right.disk.bytes(512, at: 0))
    guard one.count == 512, other.count == 512, one != other else { return }
    if one[..<440] != other[..<440] {
      try list.addBytes("MBR", nil, field: "boot code", [0..<440], left.disk.image, right.disk.image)
    }
    let region = left.table.format == .gpt ? "protective MBR" : Self.region
    list.add(
      region, nil,
      Self.signature.differences(
        Array(one[440..<446] + one[510...]), Array(other[440..<446] + other[510...])))
    for index in 0..<4 {
      let place = 446 + 16 * index..<462 + 16 * index
      list.add(
        region, "partition \(index + 1)", Self.record.differences(Array(one[place]), Array(other[place])))
    }
  }

  /// Those of an extended partition; their sectors lie between partitions.
  private func compareLogical() {
    func entries(_ table: DiskTable) -> [Int: DiskTable.Entry] {
      Dictionary(table.entries.filter { $0.number > 4 }.map { ($0.number, $0) }) { first, _ in first }
    }
    let (mine, others) = (entries(left.table), entries(right.table))
    for number in Set(mine.keys).union(others.keys).sorted() {
      func compare(_ field: String, _ value: (DiskTable.Entry) -> String) {
        let (one, other) = (mine[number].map(value), others[number].map(value))
        if one != other { list.add(Self.region, "partition \(number)", field, one, other) }
      }
      compare("type") { "\($0.type)" }
      compare("first sector") { "\($0.start)" }
      compare("sectors") { "\($0.sectors)" }
    }
  }

  /// What differs in both copies in the same way is said once.
  private mutating func compareGPT() throws {
    let first = try compareCopy(at: 1, named: Self.region, without: [])
    let place = left.table.sectors - min(left.table.sectors, 1)
    guard left.table.sectors == right.table.sectors else { return }
    _ = try compareCopy(at: place, named: "backup partition table", without: first)
  }

  private struct Change: Hashable {
    var path: String?
    var difference: FieldDifference
  }

  private mutating func compareCopy(
    at sector: UInt64, named region: String, without known: Set<Change>
  ) throws -> Set<Change> {
    let size = left.table.sectorSize
    let (one, other) = (
      try left.disk.sector(sector, size: size), try right.disk.sector(sector, size: size)
    )
    guard one.count == Int(size), other.count == Int(size) else { return [] }
    claims.append(sector * size..<(sector + 1) * size)
    var changes: [Change] = []
    let (count, entrySize) = (one.littleEndian(at: 80, 4), one.littleEndian(at: 84, 4))
    let (start, isTooLarge) = one.littleEndian(at: 72, 8).multipliedReportingOverflow(by: size)
    if count <= 1024, [128, 256, 512, 1024].contains(entrySize), !isTooLarge, one[72..<88] == other[72..<88],
      start < left.disk.size
    {
      let length = count * entrySize
      let (mine, others) = (
        try left.disk.bytes(Int(length), at: start), try right.disk.bytes(Int(length), at: start)
      )
      if mine.count == Int(length), others.count == Int(length) {
        claims.append(start..<start + length)
        for index in 0..<Int(count) {
          let place = index * Int(entrySize)..<(index + 1) * Int(entrySize)
          changes += Self.entry.differences(Array(mine[place]), Array(others[place])).map {
            Change(path: "partition \(index + 1)", difference: $0)
          }
        }
      }
    }
    let header = Self.header.allDifferences(one, other)
    changes += header.own.map { Change(path: nil, difference: $0) }
    if changes.isEmpty { changes += header.derived.map { Change(path: nil, difference: $0) } }
    for change in changes where !known.contains(change) {
      list.add(region, change.path, [change.difference])
    }
    return Set(changes)
  }

  /// The signature of the disk, and the sector's own.
  private static let signature = RecordLayout(fields: [
    RecordField("disk signature", 0, 4, .hexadecimal), RecordField("reserved bytes", 4, 2, .hexadecimal),
    RecordField("signature of the sector", 6, 2, .hexadecimal),
  ])

  private static let record = RecordLayout(fields: [
    RecordField("boot flag", 0, 1, .hexadecimal), RecordField("first cylinder, head, sector", 1, 3, .bytes),
    RecordField("type", 4, 1, .hexadecimal), RecordField("last cylinder, head, sector", 5, 3, .bytes),
    RecordField("first sector", 8, 4), RecordField("sectors", 12, 4),
  ])

  /// UEFI 2.10, 5.3.2.
  private static let header = RecordLayout(fields: [
    RecordField("signature", 0, 8, .bytes), RecordField("revision", 8, 4, .hexadecimal),
    RecordField("size of the header", 12, 4),
    RecordField("checksum", 16, 4, .hexadecimal, isDerived: true),
    RecordField("reserved bytes", 20, 4, .bytes),
    RecordField("own sector", 24, 8), RecordField("sector of the other copy", 32, 8),
    RecordField("first usable sector", 40, 8), RecordField("last usable sector", 48, 8),
    RecordField("disk GUID", 56, 16, .littleEndianGUID), RecordField("first sector of the entries", 72, 8),
    RecordField("number of entries", 80, 4), RecordField("size of an entry", 84, 4),
    RecordField("checksum of the entries", 88, 4, .hexadecimal, isDerived: true),
  ])

  /// UEFI 2.10, 5.3.3.
  private static let entry = RecordLayout(fields: [
    RecordField("type", 0, 16, .littleEndianGUID), RecordField("GUID", 16, 16, .littleEndianGUID),
    RecordField("first sector", 32, 8), RecordField("last sector", 40, 8),
    RecordField("attributes", 48, 8, .hexadecimal), RecordField("name", 56, 72, .wideText),
  ])
}
