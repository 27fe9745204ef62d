internal import Basics
internal import ImageModel
internal import ImageReading

/// Compares two FAT filesystems by their entries and fields, and what no entry has by its place.
final class FATComparison {
  private let left: FATFilesystem
  private let right: FATFilesystem
  private let (leftBytes, rightBytes): (ImageBytes, ImageBytes)
  private let ranges: DifferingRanges
  private let list: DifferenceList
  private let region: String
  private var claims: [Range<UInt64>] = []
  /// Folders by their first clusters, so that none is looked into twice.
  private var visited: Set<UInt64> = []

  init(
    _ leftBytes: ImageBytes, _ rightBytes: ImageBytes, _ ranges: DifferingRanges, region: String,
    _ list: DifferenceList
  ) throws {
    left = try FATFilesystem(leftBytes)
    right = try FATFilesystem(rightBytes)
    (self.leftBytes, self.rightBytes) = (leftBytes, rightBytes)
    (self.ranges, self.region, self.list) = (ranges, region, list)
  }

  private var isSameGeometry: Bool {
    (left.width, left.sectorSize, left.clusterSize, left.clusters, left.size, left.tables)
      == (right.width, right.sectorSize, right.clusterSize, right.clusters, right.size, right.tables)
      && left.rootPlace == right.rootPlace
  }

  /// - Throws: `UnreadableStructure` for a damaged filesystem; `Errno`; `CancellationError`.
  func run() throws {
    try compareReserved()
    let roots = left.width == 32 && right.width == 32 ? (try left.rootChain(), try right.rootChain()) : nil
    var pending: [(left: [UInt64]?, right: [UInt64]?, path: String)] = [(roots?.0, roots?.1, "")]
    while let (one, other, path) = pending.popLast() {
      pending += try compareFolder(one, other, path)
    }
    guard isSameGeometry else {
      list.note("\(region): the filesystems have other sizes, so only their files were compared")
      return
    }
    try compareTables()
    try compareRest()
  }

  // MARK: - In front of the data

  private func compareReserved() throws {
    let boot = left.bootLayout.differences(left.bootSector, right.bootSector)
    list.add("\(region), boot sector", nil, boot)
    claims.append(0..<512)
    guard isSameGeometry, left.width == 32 else { return }
    let counts = left.bootSector.littleEndian(at: 48, 2) * left.sectorSize
    let backup = left.bootSector.littleEndian(at: 50, 2) * left.sectorSize
    let reserved = left.reservedSectors * left.sectorSize
    func compare(
      _ name: String, at offset: UInt64, _ layout: RecordLayout, without known: [FieldDifference] = []
    ) throws -> [FieldDifference] {
      let place = offset..<offset + 512
      guard offset > 0, place.upperBound <= reserved else { return [] }
      claims.append(place)
      guard ranges.intersects(place) else { return [] }
      let differences = layout.differences(try left.bytes(place), try right.bytes(place))
      list.add("\(region), \(name)", nil, differences.filter { !known.contains($0) })
      return differences
    }
    let information = try compare("counts", at: counts, .fatInformation)
    _ = try compare("backup boot sector", at: backup, left.bootLayout, without: boot)
    if backup > 0 {
      _ = try compare("backup counts", at: backup + counts, .fatInformation, without: information)
    }
  }

  /// A chain differs in the first table, the copies where they do not differ in the same way.
  private func compareTables() throws {
    let size = left.tableSectors * left.sectorSize
    let start = left.reservedSectors * left.sectorSize
    var known: [UInt64: (UInt64, UInt64)] = [:]
    for copy in 0..<left.tables {
      let place = start + copy * size..<start + (copy + 1) * size
      claims.append(place)
      guard ranges.intersects(place) else { continue }
      let (one, other) =
        copy == 0 ? (left.table, right.table) : (try left.bytes(place), try right.bytes(place))
      let name = copy == 0 ? "allocation table" : "second allocation table"
      let before = list.count
      var isKnown = false
      for cluster in 0..<left.clusters + 2 {
        let values = (left.link(of: cluster, in: one), right.link(of: cluster, in: other))
        guard values.0 != values.1 else { continue }
        if copy == 0 {
          known[cluster] = values
        } else if let first = known[cluster], first == values {
          isKnown = true
          continue
        }
        list.add("\(region), \(name)", "cluster \(cluster)", "next", "\(values.0)", "\(values.1)")
      }
      if list.count == before, !isKnown {
        try list.addBytes(
          "\(region), \(name)", nil, ranges.within(place), leftBytes, rightBytes, from: place.lowerBound)
      }
    }
  }

  // MARK: - Files and folders

  /// - Returns: the folders in it that both have.
  private func compareFolder(_ one: [UInt64]?, _ other: [UInt64]?, _ path: String) throws -> [(
    left: [UInt64]?, right: [UInt64]?, path: String
  )] {
    let before = list.count
    let (mine, others) = (try left.entries(one), try right.entries(other))
    var found: [(left: [UInt64]?, right: [UInt64]?, path: String)] = []
    // FAT does not tell upper from lower case. A name that is there twice is matched by the order.
    func key(of entry: FATEntry) -> [UInt8] { entry.isLabel ? [] : Array(entry.name.uppercased().utf8) }
    let (ours, names) = (mine.map(key).numbered(), others.map(key).numbered())
    let theirs = Dictionary(uniqueKeysWithValues: zip(names, others))
    func place(of entry: FATEntry) -> String { entry.isLabel ? "volume label" : "\(path)/\(entry.name)" }
    for (name, entry) in zip(ours, mine) {
      let place = place(of: entry)
      guard let match = theirs[name] else {
        list.add(region, place, "entry", entry.isDirectory ? "folder" : "file", nil)
        claims += try left.chain(of: entry).map(left.place)
        continue
      }
      let (inner, outer) = (
        entry.isDot ? [] : try left.chain(of: entry), entry.isDot ? [] : try right.chain(of: match)
      )
      try compareEntry(entry, match, inner, outer, place)
      if !entry.isDot, entry.isDirectory, match.isDirectory, let first = inner.first,
        visited.insert(first).inserted, path.utf8.count < 4096
      {
        found.append((inner, outer, place))
      }
    }
    let known = Set(ours)
    for (name, entry) in zip(names, others) where !known.contains(name) {
      list.add(region, place(of: entry), "entry", nil, entry.isDirectory ? "folder" : "file")
      claims += try right.chain(of: entry).map(right.place)
    }
    let common = (ours.filter { theirs[$0] != nil }, names.filter { known.contains($0) })
    if let pair = zip(common.0, common.1).first(where: { $0 != $1 }) {
      list.add(
        region, path.isEmpty ? "/" : path, "order of entries", printableName(pair.0.value),
        printableName(pair.1.value))
    }
    let places = one.map { $0.map(left.place) } ?? [left.rootPlace]
    let hits = places.flatMap { ranges.within($0) }
    claims += places + (other.map { $0.map(right.place) } ?? [right.rootPlace])
    if list.count == before, isSameGeometry, one == other {
      try list.addBytes(
        region, path.isEmpty ? "/" : path, field: "unused bytes of the folder", hits, leftBytes, rightBytes,
        from: places.first?.lowerBound ?? 0)
    }
    return found
  }

  private func compareEntry(
    _ entry: FATEntry, _ match: FATEntry, _ mine: [UInt64], _ others: [UInt64], _ path: String
  ) throws {
    let fields = RecordLayout.fatEntry.differences(entry.record, match.record)
    list.add(region, path, fields)
    if fields.isEmpty, entry.longRecords != match.longRecords {
      list.add(
        region, path, "entries of the long name", Hexadecimal.text(entry.longRecords.prefix(32)),
        Hexadecimal.text(match.longRecords.prefix(32)))
    }
    guard !entry.isDirectory, !match.isDirectory else { return }
    guard mine == others, isSameGeometry else {
      claims += mine.map(left.place) + others.map(right.place)
      list.add(region, path, "clusters", Self.text(mine), Self.text(others))
      return try compareContent(mine, others, min(entry.size, match.size), path)
    }
    var isSaid: Set<String> = []
    var position: UInt64 = 0
    for cluster in mine {
      let place = left.place(of: cluster)
      let length = min(left.clusterSize, entry.size - min(position, entry.size))
      let hits = ranges.within(place)
      if !hits.isEmpty {
        claims.append(place)
        let end = place.lowerBound + length
        for (field, part) in [
          ("content", place.lowerBound..<end), ("bytes past the end", end..<place.upperBound),
        ] where !isSaid.contains(field) {
          let before = list.count
          try list.addBytes(
            region, path, field: field, hits.map { $0.clamped(to: part) }.filter { !$0.isEmpty }, leftBytes,
            rightBytes, from: place.lowerBound &- position)
          if list.count != before { isSaid.insert(field) }
        }
      }
      position += left.clusterSize
    }
  }

  private func compareContent(_ mine: [UInt64], _ others: [UInt64], _ size: UInt64, _ path: String) throws {
    // The sizes of clusters are powers of two.
    let step = min(left.clusterSize, right.clusterSize)
    func piece(_ filesystem: FATFilesystem, _ chain: [UInt64], _ offset: UInt64, _ count: UInt64) throws
      -> [UInt8]
    {
      let index = Int(offset / filesystem.clusterSize)
      guard index < chain.count else { return [] }
      let start = filesystem.place(of: chain[index]).lowerBound + offset % filesystem.clusterSize
      return try filesystem.bytes(start..<start + count)
    }
    for offset in stride(from: 0, to: size, by: Int(step)) {
      let count = min(step, size - offset)
      let (one, other) = (try piece(left, mine, offset, count), try piece(right, others, offset, count))
      guard let index = one.firstDifference(from: other) else { continue }
      return list.add(
        ImageDifference(
          region: region, path: path, field: "content", left: Hexadecimal.text(one[index...].prefix(8)),
          right: Hexadecimal.text(other[index...].prefix(8)), offset: offset + UInt64(index)))
    }
  }

  private static func text(_ chain: [UInt64]) -> String {
    guard let first = chain.first, let last = chain.last else { return "none" }
    return chain.count == 1 ? "\(first)" : "\(first) to \(last), \(chain.count)"
  }

  // MARK: - The rest

  private func compareRest() throws {
    for range in ranges.subtracting(claims).ranges {
      var start = range.lowerBound
      while start < range.upperBound {
        guard start >= left.rootPlace.upperBound, start < left.place(of: left.clusters + 2).lowerBound else {
          let isReserved = start < left.reservedSectors * left.sectorSize
          let end =
            isReserved
            ? min(range.upperBound, left.reservedSectors * left.sectorSize) : range.upperBound
          try list.addBytes(
            "\(region), \(isReserved ? "reserved sectors" : "space behind the clusters")", nil, [start..<end],
            leftBytes, rightBytes)
          start = end
          continue
        }
        let cluster = (start - left.rootPlace.upperBound) / left.clusterSize + 2
        let place = left.place(of: cluster)
        let end = min(range.upperBound, place.upperBound)
        let kind =
          left.isFree(cluster) && right.isFree(cluster) ? "free clusters" : "clusters that no file has"
        try list.addBytes(
          "\(region), \(kind)", "cluster \(cluster)", [start..<end], leftBytes, rightBytes,
          from: place.lowerBound)
        start = end
      }
    }
  }
}
