internal import Basics
internal import ImageModel
internal import ImageReading
internal import NixStore
internal import SystemPackage

/// Compares two raw disks: tables, boot areas, filesystems.
struct DiskComparison {
  let left: DiskFile
  let right: DiskFile
  let list: DifferenceList

  /// A filesystem on both disks that is not read here.
  struct Foreign: Hashable, Sendable {
    /// Its partition; nil for a whole disk.
    var number: Int?
    var kind: DiskContent
    var region: String
    /// What is said where nothing else reads it.
    var bytes: [ImageDifference]
  }

  /// - Returns: filesystems that differ, and that are left to another reader.
  /// - Throws: `Errno`; `CancellationError`.
  func run() throws -> [Foreign] {
    let ranges = try DifferingRanges(left, right, count: max(left.size, right.size))
    guard !ranges.isEmpty || left.size != right.size else { return [] }
    let foreign = try compareParts(ranges)
    // What is different is never equal, whatever the parts were taken for.
    if foreign.isEmpty, list.count == 0 {
      try list.addBytes("disk", nil, ranges.ranges, left.image, right.image)
    }
    return foreign
  }

  private func compareParts(_ known: DifferingRanges) throws -> [Foreign] {
    let tables = (
      try DiskTable(of: left, sectorSize: nil), try DiskTable(of: right, sectorSize: nil)
    )
    let isSameLayout = tables.0.places == tables.1.places && tables.0.sectorSize == tables.1.sectorSize
    let all = isSameLayout ? known : nil
    var table = TableComparison((left, tables.0), (right, tables.1), list)
    try table.run()
    var foreign: [Foreign] = []
    guard tables.0.format != .none || tables.1.format != .none else {
      if let found = try compare(0..<left.size, 0..<right.size, all, number: nil, word: "disk") {
        foreign.append(found)
      }
      return foreign
    }
    var places: [Range<UInt64>] = []
    for entry in tables.0.entries.sorted(by: { $0.start < $1.start }) {
      guard let other = tables.1.entries.first(where: { $0.number == entry.number }),
        let place = tables.0.place(of: entry, on: left), let match = tables.1.place(of: other, on: right)
      else { continue }
      let word = "partition \(entry.number)"
      guard places.last?.overlaps(place) != true,
        places.last.map({ $0.upperBound <= place.lowerBound }) ?? true
      else {
        list.note("\(word) overlaps another one, and was not compared")
        continue
      }
      // What an extended partition has is compared as the partitions in it.
      guard !LogicalPartitions.isExtended(entry.type) else { continue }
      places.append(place)
      let ranges = isSameLayout ? all?.part(place) : nil
      if let found = try compare(
        place, match, ranges, number: entry.number,
        word: entry.type == .biosBoot ? "\(word) (BIOS boot)" : word)
      {
        foreign.append(found)
      }
    }
    guard let all else {
      list.note("The partitions lie in other places, so what is between them was not compared")
      return foreign
    }
    try compareGaps(all.subtracting(table.claims + places), places, tables.0)
    return foreign
  }

  /// What is outside of partitions and tables: the MBR gap, where BIOS loaders have their second stage.
  private func compareGaps(_ rest: DifferingRanges, _ places: [Range<UInt64>], _ table: DiskTable) throws {
    var edges: [(start: UInt64, name: String)] = []
    for (index, place) in places.enumerated() {
      let number = table.entries.first { table.place(of: $0, on: left) == place }?.number ?? index + 1
      let isFirst = index == 0 && table.format == .mbr
      edges.append((place.lowerBound, isFirst ? "MBR gap" : "gap in front of partition \(number)"))
    }
    edges.append((.max, "gap behind the partitions"))
    var start: UInt64 = 0
    for edge in edges {
      try list.addBytes(edge.name, nil, rest.within(start..<edge.start), left.image, right.image)
      start = edge.start
    }
  }

  /// - Parameter ranges: where they differ; nil where that is not known yet.
  private func compare(
    _ place: Range<UInt64>, _ match: Range<UInt64>, _ known: DifferingRanges?, number: Int?, word: String
  ) throws -> Foreign? {
    let (one, other) = (left.part(place), right.part(match))
    let ranges =
      if let known { known } else {
        try DifferingRanges(
          left, at: place.lowerBound, right, at: match.lowerBound, count: min(one.size, other.size))
      }
    guard !ranges.isEmpty else { return nil }
    let (kind, otherKind) = (try DiskContent(of: one), try DiskContent(of: other))
    guard kind == otherKind else {
      list.add(word, nil, "content", kind.rawValue, otherKind.rawValue)
      return nil
    }
    let region = kind == .unknown ? word : "\(word) (\(kind.rawValue))"
    let before = list.count
    do {
      switch kind {
      case .ext:
        try Ext4Comparison(one, other, ranges, region: region, list, database: NixDatabase.differences).run()
      case .fat:
        try FATComparison(one, other, ranges, region: region, list).run()
      case .swap:
        list.add(region, nil, Self.swap.differences(try one.bytes(4096, at: 0), try other.bytes(4096, at: 0)))
        try list.addBytes(region, nil, ranges.subtracting([0..<4096]).ranges, one, other)
      default: break
      }
    } catch let error as UnreadableStructure {
      list.note("\(region) was not read to its end: \(error.reason)")
    }
    guard list.count == before else { return nil }
    let own = DifferenceList()
    try own.addBytes(region, nil, ranges.ranges, one, other)
    guard kind.isFilesystem else {
      own.result.differences.forEach(list.add)
      return nil
    }
    return Foreign(number: number, kind: kind, region: region, bytes: own.result.differences)
  }

  /// The header of a swap area (Linux, `union swap_header`).
  private static let swap = RecordLayout(fields: [
    RecordField("boot bytes", 0, 1024, .bytes), RecordField("version", 1024, 4),
    RecordField("last page", 1028, 4), RecordField("bad pages", 1032, 4),
    RecordField("UUID", 1036, 16, .guid),
    RecordField("label", 1052, 16, .text), RecordField("signature", 4086, 10, .text),
  ])
}

extension DiskTable {
  /// Number and place of each partition.
  fileprivate var places: [[UInt64]] { entries.map { [UInt64($0.number), $0.start, $0.sectors] } }

  /// The bytes of a partition, as far as the disk has them; nil where it has none.
  func place(of entry: Entry, on disk: DiskFile) -> Range<UInt64>? {
    let (start, isTooLarge) = entry.start.multipliedReportingOverflow(by: sectorSize)
    let (size, isTooLong) = entry.sectors.multipliedReportingOverflow(by: sectorSize)
    guard !isTooLarge, !isTooLong, start < disk.size, size > 0 else { return nil }
    return start..<start + min(size, disk.size - start)
  }
}

/// What is on a partition, by its magic numbers.
enum DiskContent: String, Sendable {
  case ext = "ext4"
  case fat = "FAT"
  case swap
  case xfs, btrfs, f2fs, squashfs, erofs, jfs, ntfs, luks, lvm
  case unknown

  /// Offsets and bytes of them (blkid's, of util-linux's libblkid).
  private static let signatures: [(DiskContent, Int, [UInt8])] = [
    (.xfs, 0, Array("XFSB".utf8)), (.btrfs, 0x10040, Array("_BHRfS_M".utf8)),
    (.f2fs, 1024, [0x10, 0x20, 0xf5, 0xf2]), (.squashfs, 0, Array("hsqs".utf8)),
    (.erofs, 1024, [0xe2, 0xe1, 0xf5, 0xe0]), (.jfs, 0x8000, Array("JFS1".utf8)),
    (.ntfs, 3, Array("NTFS    ".utf8)), (.luks, 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]),
    (.lvm, 512, Array("LABELONE".utf8)), (.swap, 4086, Array("SWAPSPACE2".utf8)),
  ]

  init(of disk: ImageBytes) throws {
    if try Ext4Filesystem.isAt(disk) {
      self = .ext
    } else if try FATFilesystem.isAt(disk) {
      self = .fat
    } else {
      self =
        try Self.signatures.first { try disk.bytes($0.2.count, at: UInt64($0.1)) == $0.2 }?.0 ?? .unknown
    }
  }

  /// Whether a kernel mounts it as it is.
  var isFilesystem: Bool {
    switch self {
    case .swap, .luks, .lvm, .unknown: false
    default: true
    }
  }
}
