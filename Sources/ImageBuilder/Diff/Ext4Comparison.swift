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
  var comparedAttributeBlocks: Set<UInt64> = []

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
  func isSame(_ one: Ext4Inode, _ other: Ext4Inode) -> Bool {
    one.place == other.place && one.bytes == other.bytes
  }

  func claimBlocks(_ inode: Ext4Inode, of filesystem: Ext4Filesystem) throws {
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

  // MARK: - Directories

  private func compareEntries(_ one: Ext4Inode, _ other: Ext4Inode, _ folder: Int) throws {
    let before = list.count
    let map = try left.map(of: one)
    let mine = try left.entries(of: one, map)
    let isUnchanged =
      isSame(one, other) && isSameGeometry
      && !(map.extents.map { place(of: $0, on: left) } + map.nodes.map { place($0, left) })
        .contains(where: ranges.intersects)
    guard !isUnchanged else {
      for entry in mine { try compare(entry, entry, folder) }
      return
    }
    let others = try right.entries(of: other, right.map(of: other))
    // A name that is there twice is matched by the order.
    let (ours, names) = (mine.map(\.name).numbered(), others.map(\.name).numbered())
    let theirs = Dictionary(uniqueKeysWithValues: zip(names, others))
    for (name, entry) in zip(ours, mine) {
      if let match = theirs[name] {
        try compare(entry, match, folder)
      } else {
        try addMissing(entry, of: left, folder, isLeft: true)
      }
    }
    let known = Set(ours)
    for (name, entry) in zip(names, others) where !known.contains(name) {
      try addMissing(entry, of: right, folder, isLeft: false)
    }
    let common = (ours.filter { theirs[$0] != nil }, names.filter { known.contains($0) })
    if let pair = zip(common.0, common.1).first(where: { $0 != $1 }) {
      list.add(
        region, path(folder, nil), "order of entries", printableName(pair.0.value),
        printableName(pair.1.value))
    }
    if list.count == before, map.extents == (try right.map(of: other)).extents {
      let hits = map.extents.flatMap { ranges.within(place(of: $0, on: left)) }
      try list.addBytes(
        region, path(folder, nil), field: "bytes of the folder", hits, leftBytes, rightBytes,
        from: map.extents.first.map { $0.physical * left.blockSize } ?? 0)
    }
  }

  private func compare(_ entry: Ext4Entry, _ match: Ext4Entry, _ folder: Int) throws {
    if entry.type != match.type {
      list.add(region, path(folder, entry.name), "type in its folder", "\(entry.type)", "\(match.type)")
    }
    let inode = try left.inode(entry.inode)
    let isSameRecord = entry.inode == match.inode && isSameGeometry && !ranges.intersects(inode.place)
    try compare(
      inode, isSameRecord ? inode : try right.inode(match.inode), folder: folder, name: entry.name)
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
