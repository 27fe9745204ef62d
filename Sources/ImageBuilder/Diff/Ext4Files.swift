internal import Basics
internal import ImageModel
internal import ImageReading
internal import NixStore

extension Ext4Comparison {
  /// Compares two inodes and what they have, apart from the entries of a folder.
  func compareRecords(_ one: Ext4Inode, _ other: Ext4Inode, _ path: () -> String) throws {
    let before = list.count
    if one.number != other.number {
      list.add(region, path(), "inode number", "\(one.number)", "\(other.number)")
    }
    let isSame = isSame(one, other)
    var derived: [FieldDifference] = []
    if !isSame {
      let (leftEnd, rightEnd) = (one.fieldsEnd, other.fieldsEnd)
      let fields = RecordLayout.ext4Inode.allDifferences(
        Array(one.bytes[..<leftEnd]), Array(other.bytes[..<rightEnd]), ignoring: Ext4Inode.mapPlace)
      list.add(region, path(), fields.own)
      derived = fields.derived
    }
    if one.type == other.type {
      try compareBlocks(one, other, isSame: isSame, path)
    } else {
      try claimBlocks(one, of: left)
      try claimBlocks(other, of: right)
    }
    try compareAttributes(one, other, isSame: isSame, path)
    if list.count == before { list.add(region, path(), derived) }
  }

  // MARK: - Extended attributes

  private func compareAttributes(
    _ one: Ext4Inode, _ other: Ext4Inode, isSame: Bool, _ path: () -> String
  ) throws {
    let blocks = [one.attributeBlock, other.attributeBlock]
    let places =
      zip(blocks, [left, right]).filter { $0.0 != 0 && $0.0 < $0.1.blocks }.map { place($0.0, $0.1) }
    guard !isSame || places.contains(where: ranges.intersects) else { return }
    claims += places
    let before = list.count
    let (mine, others) = (try left.attributes(in: one), try right.attributes(in: other))
    func byName(_ attributes: [Ext4Attribute]) -> [String: [UInt8]] {
      Dictionary(attributes.map { ($0.name, $0.value) }) { first, _ in first }
    }
    let (ours, theirs) = (byName(mine), byName(others))
    for name in Set(ours.keys).union(theirs.keys).sorted() where ours[name] != theirs[name] {
      func text(_ value: [UInt8]?) -> String? { value.map { printableName(Array($0.prefix(64))) } }
      list.add(region, path(), "attribute \(name)", text(ours[name]), text(theirs[name]))
    }
    if list.count == before, mine.map(\.name) != others.map(\.name) {
      let (first, second) = (mine.map(\.name), others.map(\.name))
      list.add(
        region, path(), "order of attributes", first.joined(separator: " "), second.joined(separator: " "))
    }
    guard list.count == before else { return }
    let (inner, outer) = (one.bytes[one.attributePlace], other.bytes[other.attributePlace])
    if inner != outer {
      list.add(region, path(), "bytes of attributes", Hexadecimal.text(inner), Hexadecimal.text(outer))
    }
    if blocks[0] == blocks[1], blocks[0] != 0, comparedAttributeBlocks.insert(blocks[0]).inserted {
      try list.addBytes(
        region, path(), field: "block of attributes", ranges.within(place(blocks[0], left)), leftBytes,
        rightBytes, from: blocks[0] * left.blockSize)
    }
  }

  // MARK: - Content

  private func compareBlocks(_ one: Ext4Inode, _ other: Ext4Inode, isSame: Bool, _ path: () -> String) throws
  {
    guard !one.hasNoBlocks || !other.hasNoBlocks else {
      if one.mapBytes != other.mapBytes {
        let isText = one.isLink || one.hasInlineData
        func text(_ inode: Ext4Inode) -> String {
          isText
            ? printableName(inode.mapBytes.prefix { $0 != 0 }) : Hexadecimal.text(inode.mapBytes.prefix(8))
        }
        let field = one.isLink ? "target" : one.hasInlineData ? "content" : "device"
        list.add(region, path(), field, text(one), text(other))
      }
      return
    }
    let map = try left.map(of: one)
    claims += map.nodes.map { place($0, left) }
    let isSameMap = isSame && !map.nodes.contains { ranges.intersects(place($0, left)) }
    let otherMap = isSameMap ? map : try right.map(of: other)
    if map.extents == otherMap.extents, left.blockSize == right.blockSize {
      if one.mapBytes != other.mapBytes || map.nodes != otherMap.nodes {
        list.add(
          region, path(), "map of blocks", Hexadecimal.text(one.mapBytes), Hexadecimal.text(other.mapBytes))
      }
      for node in isSameMap || map.nodes != otherMap.nodes ? [] : map.nodes {
        try list.addBytes(
          region, path(), field: "map of blocks", ranges.within(place(node, left)), leftBytes, rightBytes,
          from: node * left.blockSize)
      }
      try compareSameBlocks(map, one, other, path)
    } else {
      claims += otherMap.nodes.map { place($0, right) }
      claims +=
        map.extents.map { place(of: $0, on: left) } + otherMap.extents.map { place(of: $0, on: right) }
      list.add(region, path(), "blocks", Self.text(map), Self.text(otherMap))
      if !one.isDirectory { try compareContent(map, one, otherMap, other, path) }
    }
  }

  private static func text(_ map: Ext4Map) -> String {
    let extents = map.extents.prefix(4).map {
      "\($0.logical) at \($0.physical), \($0.count)\($0.isUnwritten ? " unwritten" : "")"
    }
    return (extents + (map.extents.count > 4 ? ["…"] : [])).joined(separator: "; ")
  }

  /// Both have the same blocks, so that what differs in them is known.
  private func compareSameBlocks(
    _ map: Ext4Map, _ one: Ext4Inode, _ other: Ext4Inode, _ path: () -> String
  ) throws {
    var isSaid: Set<String> = []
    for extent in map.extents {
      let place = place(of: extent, on: left)
      let hits = ranges.within(place)
      guard !hits.isEmpty else { continue }
      claims.append(place)
      guard !one.isDirectory else { continue }
      let start = extent.logical * left.blockSize
      let end = place.lowerBound + (min(one.size, other.size) - min(start, min(one.size, other.size)))
      let shift = place.lowerBound &- start
      let parts: [(String, (Range<UInt64>) -> Range<UInt64>)] =
        extent.isUnwritten
        ? [("bytes of unwritten blocks", { $0 })]
        : [
          ("content", { $0.clamped(to: 0..<max(end, 0)) }),
          ("bytes past the end", { $0.clamped(to: end..<max(end, $0.upperBound)) }),
        ]
      for (field, cut) in parts where !isSaid.contains(field) {
        let before = list.count
        let pieces = hits.map(cut).filter { !$0.isEmpty }
        if field == "content", try compareDatabase(map, one, map, other, pieces, path) {
          isSaid.insert(field)
          continue
        }
        try addContent(path(), field, pieces, shift)
        if list.count != before { isSaid.insert(field) }
      }
    }
  }

  private func addContent(_ path: String, _ field: String, _ pieces: [Range<UInt64>], _ shift: UInt64) throws
  {
    // The first place is said, and the rest not counted, so the first piece that differs is enough.
    for piece in pieces {
      let before = list.count
      try list.addBytes(region, path, field: field, [piece], leftBytes, rightBytes, from: shift)
      if list.count != before { return }
    }
  }

  /// Both have other blocks, and may have the same content.
  private func compareContent(
    _ map: Ext4Map, _ one: Ext4Inode, _ otherMap: Ext4Map, _ other: Ext4Inode, _ path: () -> String
  ) throws {
    let end = min(one.size, other.size)
    func places(_ map: Ext4Map, _ size: UInt64) -> [Range<UInt64>] {
      map.extents.filter { !$0.isUnwritten }.map { $0.logical * size..<($0.logical + $0.count) * size }
    }
    let pieces = (places(map, left.blockSize) + places(otherMap, right.blockSize))
      .sorted { $0.lowerBound < $1.lowerBound }
    var position: UInt64 = 0
    for piece in pieces {
      var start = max(position, piece.lowerBound)
      while start < min(piece.upperBound, end) {
        let count = Int(min(min(piece.upperBound, end) - start, 1 << 20))
        let mine = try left.content(map, at: start, count: count)
        let others = try right.content(otherMap, at: start, count: count)
        if let index = mine.firstDifference(from: others) {
          if try compareDatabase(map, one, otherMap, other, [start..<end], path) { return }
          list.add(
            ImageDifference(
              region: region, path: path(), field: "content",
              left: Hexadecimal.text(mine[index...].prefix(8)),
              right: Hexadecimal.text(others[index...].prefix(8)), offset: start + UInt64(index)))
          return
        }
        start += UInt64(count)
      }
      position = max(position, piece.upperBound)
    }
  }

  // MARK: - The Nix database

  private static let largestDatabase: UInt64 = 1 << 30

  /// Says which rows differ.
  ///
  /// - Returns: false where it is no database, or has the same rows.
  private func compareDatabase(
    _ map: Ext4Map, _ one: Ext4Inode, _ otherMap: Ext4Map, _ other: Ext4Inode, _ pieces: [Range<UInt64>],
    _ path: () -> String
  ) throws -> Bool {
    let path = path()
    guard path.hasSuffix("/nix/db/db.sqlite"), !pieces.isEmpty, one.isFile,
      max(one.size, other.size) <= Self.largestDatabase
    else { return false }
    func bytes(_ filesystem: Ext4Filesystem, _ map: Ext4Map, _ size: UInt64) throws -> [UInt8] {
      try stride(from: 0, to: size, by: 1 << 20).flatMap {
        try filesystem.content(map, at: $0, count: Int(min(1 << 20, size - $0)))
      }
    }
    let rows = try database(bytes(left, map, one.size), bytes(right, otherMap, other.size))
    for row in rows { list.add("Nix database", "\(row.table) \(row.row)", row.field, row.left, row.right) }
    return !rows.isEmpty
  }
}

extension Ext4Inode {
  /// Where its own fields end, and extended attributes begin.
  fileprivate var fieldsEnd: Int { attributePlace.isEmpty ? bytes.count : attributePlace.lowerBound }
}
