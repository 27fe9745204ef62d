internal import Basics
internal import ImageModel
internal import ImageReading
internal import NixStore

/// Compares two filesystems of the ext family by file and field, and what no file has by its place.
///
/// Only what has different bytes is looked at twice: an inode whose bytes are in none of the differing ranges is the same
/// on both sides.
final class Ext4Comparison {
  let left: Ext4Filesystem
  let right: Ext4Filesystem
  let (leftBytes, rightBytes): (ImageBytes, ImageBytes)
  let ranges: DifferingRanges
  let list: DifferenceList
  let region: String
  /// Reads both sides' bytes of the Nix database, and gives the rows that differ.
  let database: (_ left: [UInt8], _ right: [UInt8]) throws -> [NixRowDifference]
  /// What has been compared, in bytes of the filesystems.
  var claims: [Range<UInt64>] = []

  private var visitedLeft: [Bool]
  private var visitedRight: [Bool]
  /// Folders whose entries are still to be compared.
  private var pending: [(left: Ext4Inode, right: Ext4Inode, folder: Int)] = []
  /// Each folder's name, and the folder that it is in.
  private var folders: [(parent: Int, name: [UInt8])] = [(0, [])]
  private var comparedAttributeBlocks: Set<UInt64> = []

  init(
    _ leftBytes: ImageBytes, _ rightBytes: ImageBytes, _ ranges: DifferingRanges, region: String,
    _ list: DifferenceList,
    database: @escaping (_ left: [UInt8], _ right: [UInt8]) throws -> [NixRowDifference]
  ) throws {
    left = try Ext4Filesystem(leftBytes)
    right = try Ext4Filesystem(rightBytes)
    (self.leftBytes, self.rightBytes) = (leftBytes, rightBytes)
    (self.ranges, self.region, self.list, self.database) = (ranges, region, list, database)
    visitedLeft = Array(repeating: false, count: Int(left.inodes) + 1)
    visitedRight = Array(repeating: false, count: Int(right.inodes) + 1)
  }

  /// - Throws: `UnreadableStructure` for a damaged filesystem; `Errno`; `CancellationError`.
  func run() throws {
    try compareTree()
    try compareSpecialInodes()
    try compareStructures()
  }

  var isSameGeometry: Bool {
    (left.blockSize, left.blocks, left.blocksPerGroup, left.inodesPerGroup, left.inodeSize)
      == (right.blockSize, right.blocks, right.blocksPerGroup, right.inodesPerGroup, right.inodeSize)
      && left.descriptorSize == right.descriptorSize
  }

  func isVisited(_ inode: UInt64) -> Bool {
    visitedLeft[Int(inode)] || (inode <= right.inodes && visitedRight[Int(inode)])
  }

  // MARK: - The tree

  private func compareTree() throws {
    try compare(left.inode(Ext4Filesystem.root), right.inode(Ext4Filesystem.root), folder: 0, name: nil)
    while let (one, other, folder) = pending.popLast() { try compareEntries(one, other, folder) }
  }

  private func path(_ folder: Int, _ name: [UInt8]?) -> String {
    var names = name.map { [$0] } ?? []
    var folder = folder
    var length = 0
    while folder != 0 {
      names.append(folders[folder].name)
      folder = folders[folder].parent
      length += names.last?.count ?? 0
      // No system opens a longer one.
      if length > 4096 { return "…/" + names.reversed().map(printableName).joined(separator: "/") }
    }
    return "/" + names.reversed().map(printableName).joined(separator: "/")
  }

  /// Compares what has a name in a folder that both have; the folder itself where there is no name.
  private func compare(_ one: Ext4Inode, _ other: Ext4Inode, folder: Int, name: [UInt8]?) throws {
    guard !visitedLeft[Int(one.number)] || !visitedRight[Int(other.number)] else { return }
    visitedLeft[Int(one.number)] = true
    visitedRight[Int(other.number)] = true
    try compareRecords(one, other) { self.path(folder, name) }
    if one.isDirectory, other.isDirectory {
      var inner = 0
      if let name {
        folders.append((folder, name))
        inner = folders.count - 1
      }
      pending.append((one, other, inner))
    }
  }

  /// Whether both are one inode with the same bytes.
  private func isSame(_ one: Ext4Inode, _ other: Ext4Inode) -> Bool {
    one.place == other.place && one.bytes == other.bytes
  }

  private func compareRecords(_ one: Ext4Inode, _ other: Ext4Inode, _ path: () -> String) throws {
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

  private func claimBlocks(_ inode: Ext4Inode, of filesystem: Ext4Filesystem) throws {
    let map = try filesystem.map(of: inode)
    claims += map.extents.map { place(of: $0, on: filesystem) }
    let block = inode.attributeBlock
    claims += (map.nodes + (block != 0 && block < filesystem.blocks ? [block] : [])).map {
      place($0, filesystem)
    }
  }

  func place(of extent: Ext4Extent, on filesystem: Ext4Filesystem) -> Range<UInt64> {
    extent.physical * filesystem.blockSize..<(extent.physical + extent.count) * filesystem.blockSize
  }

  func place(_ block: UInt64, _ filesystem: Ext4Filesystem) -> Range<UInt64> {
    block * filesystem.blockSize..<(block + 1) * filesystem.blockSize
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

  // MARK: - Directories

  private func compareEntries(_ one: Ext4Inode, _ other: Ext4Inode, _ folder: Int) throws {
    let before = list.count
    let map = try left.map(of: one)
    let mine = try left.entries(of: one, map)
    let isUnchanged =
      isSame(one, other)
      && !(map.extents.map { place(of: $0, on: left) } + map.nodes.map { place($0, left) })
        .contains(where: ranges.intersects)
    let others = isUnchanged ? mine : try right.entries(of: other, right.map(of: other))
    let theirs =
      isUnchanged ? [:] : Dictionary(others.map { ($0.name, $0) }) { first, _ in first }
    let ours = isUnchanged ? [] : Set(mine.map(\.name))
    for entry in mine {
      guard let match = isUnchanged ? entry : theirs[entry.name] else {
        try addMissing(entry, of: left, folder, isLeft: true)
        continue
      }
      if entry.type != match.type {
        list.add(region, path(folder, entry.name), "type in its folder", "\(entry.type)", "\(match.type)")
      }
      let inode = try left.inode(entry.inode)
      let isSameRecord =
        entry.inode == match.inode && isSameGeometry && !ranges.intersects(inode.place)
      try compare(
        inode, isSameRecord ? inode : try right.inode(match.inode), folder: folder, name: entry.name)
    }
    guard !isUnchanged else { return }
    for entry in others where !ours.contains(entry.name) {
      try addMissing(entry, of: right, folder, isLeft: false)
    }
    let common = (
      mine.map(\.name).filter { theirs[$0] != nil }, others.map(\.name).filter { ours.contains($0) }
    )
    if common.0 != common.1, let index = zip(common.0, common.1).enumerated().first(where: { $1.0 != $1.1 }) {
      list.add(
        region, path(folder, nil), "order of entries", printableName(index.element.0),
        printableName(index.element.1))
    }
    if list.count == before, map.extents == (try right.map(of: other)).extents {
      let hits = map.extents.flatMap { ranges.within(place(of: $0, on: left)) }
      try list.addBytes(
        region, path(folder, nil), field: "bytes of the folder", hits, leftBytes, rightBytes,
        from: map.extents.first.map { $0.physical * left.blockSize } ?? 0)
    }
  }

  /// Says that one side has no such entry; what is below it goes with it.
  private func addMissing(_ entry: Ext4Entry, of filesystem: Ext4Filesystem, _ folder: Int, isLeft: Bool)
    throws
  {
    let inode = try filesystem.inode(entry.inode)
    let text = Self.types[inode.type] ?? "of no known type"
    list.add(region, path(folder, entry.name), "entry", isLeft ? text : nil, isLeft ? nil : text)
    var rest = [inode]
    while let inode = rest.popLast() {
      guard !(isLeft ? visitedLeft : visitedRight)[Int(inode.number)] else { continue }
      if isLeft { visitedLeft[Int(inode.number)] = true } else { visitedRight[Int(inode.number)] = true }
      try claimBlocks(inode, of: filesystem)
      guard inode.isDirectory else { continue }
      for entry in try filesystem.entries(of: inode, filesystem.map(of: inode)) {
        rest.append(try filesystem.inode(entry.inode))
      }
    }
  }

  private static let types: [UInt64: String] = [
    0o010000: "FIFO", 0o020000: "character device", 0o040000: "folder", 0o060000: "block device",
    0o100000: "file", 0o120000: "link", 0o140000: "socket",
  ]

  // MARK: - Inodes without a name

  /// The journal, and the inodes that the filesystem has for itself.
  private func compareSpecialInodes() throws {
    let first = max(left.superblock.littleEndian(at: 0x54, 4), 11)
    guard isSameGeometry, first <= left.inodes else { return }
    for number in 1..<first where number != Ext4Filesystem.root && !isVisited(number) {
      let (one, other) = (try left.inode(number), try right.inode(number))
      visitedLeft[Int(number)] = true
      visitedRight[Int(number)] = true
      let isJournal = number == Ext4Filesystem.journal
      // The bad blocks and the reserved descriptors have maps of their own kind, and their blocks other names.
      guard isJournal || number > Ext4Filesystem.journal || number == 3 || number == 4 else {
        list.add(region, "inode \(number)", RecordLayout.ext4Inode.differences(one.bytes, other.bytes))
        continue
      }
      let map = try left.map(of: one)
      for extent in map.extents {
        let place = place(of: extent, on: left)
        claims.append(place)
        try list.addBytes(
          isJournal ? "\(region), journal" : region, isJournal ? nil : "inode \(number)",
          ranges.within(place),
          leftBytes, rightBytes, from: place.lowerBound &- extent.logical * left.blockSize)
      }
      let path = isJournal ? "the journal's inode" : "inode \(number)"
      list.add(region, path, RecordLayout.ext4Inode.differences(one.bytes, other.bytes))
    }
  }
}

extension Ext4Inode {
  /// Where its own fields end, and extended attributes begin.
  fileprivate var fieldsEnd: Int { attributePlace.isEmpty ? bytes.count : attributePlace.lowerBound }
}
