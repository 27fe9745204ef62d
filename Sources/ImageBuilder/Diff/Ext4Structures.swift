internal import Basics
internal import ImageModel
internal import ImageReading

extension Ext4Comparison {
  /// Superblock, descriptors, bitmaps and inodes without a name, and the blocks that nothing of all this has.
  func compareStructures() throws {
    let superblock = RecordLayout.ext4Superblock.differences(left.superblock, right.superblock)
    list.add("\(region), superblock", nil, superblock)
    guard isSameGeometry else {
      list.note("\(region): the filesystems have other sizes, so only their files were compared")
      return
    }
    claims.append(Ext4Filesystem.superblockPlace..<Ext4Filesystem.superblockPlace + 1024)
    let changedBitmaps = try compareBitmaps()
    var descriptors: [UInt64: [FieldDifference]] = [:]
    for group in 0..<left.groups {
      let (own, derived) = RecordLayout.ext4GroupDescriptor.allDifferences(
        left.descriptor(group), right.descriptor(group))
      guard !own.isEmpty || !derived.isEmpty else { continue }
      // A checksum follows from the bitmap, and is not said again.
      let differences = own.isEmpty && !changedBitmaps.contains(group) ? derived : own
      descriptors[group] = differences
      list.add("\(region), group descriptors", "group \(group)", differences)
    }
    let table = (left.firstBlock + 1) * left.blockSize
    claims.append(table..<table + left.descriptorBlocks * left.blockSize)
    try compareBackups(Set(superblock), descriptors)
    try compareInodeTables()
    try compareRest()
  }

  // MARK: - Bitmaps

  private func compareBitmaps() throws -> Set<UInt64> {
    var changed: Set<UInt64> = []
    for group in 0..<left.groups {
      for (isBlocks, place) in [(true, left.blockBitmap(group)), (false, left.inodeBitmap(group))] {
        guard place < left.blocks else { continue }
        let bytes = self.place(place, left)
        claims.append(bytes)
        guard ranges.intersects(bytes) else { continue }
        changed.insert(group)
        let first = isBlocks ? left.firstBlock + group * left.blocksPerGroup : 1 + group * left.inodesPerGroup
        let count = isBlocks ? left.blocksPerGroup : left.inodesPerGroup
        try addBits(
          "\(region), \(isBlocks ? "block" : "inode") bitmap", isBlocks ? "block" : "inode", first: first,
          count: Int(count), left.bitmap(at: place), right.bitmap(at: place))
      }
    }
    return changed
  }

  /// Says which bits differ, run by run, and what is behind them.
  private func addBits(
    _ region: String, _ word: String, first: UInt64, count: Int, _ one: [UInt8], _ other: [UInt8]
  ) throws {
    func bit(_ bytes: [UInt8], _ index: Int) -> Bool { bytes[index / 8] >> (index % 8) & 1 == 1 }
    var index = 0
    while index < count {
      if index % 8 == 0, one[index / 8] == other[index / 8] {
        index += 8
        continue
      }
      guard bit(one, index) != bit(other, index) else {
        index += 1
        continue
      }
      let (start, isUsed) = (index, bit(one, index))
      while index < count, bit(one, index) == isUsed, bit(other, index) != isUsed { index += 1 }
      let last = index - 1
      let path =
        last == start ? "\(first + UInt64(start))" : "\(first + UInt64(start))–\(first + UInt64(last))"
      list.add(
        region, "\(word)\(last == start ? "" : "s") \(path)", "state", isUsed ? "used" : "free",
        isUsed ? "free" : "used")
    }
    let padding = (count + 7) / 8
    if one[padding...] != other[padding...] {
      list.add(
        region, nil, "bytes past the bits", Hexadecimal.text(one[padding...].prefix(8)),
        Hexadecimal.text(other[padding...].prefix(8)))
    }
  }

  // MARK: - Copies

  /// The copies in other groups. What differs as in the first one is not said again.
  private func compareBackups(_ superblock: Set<FieldDifference>, _ descriptors: [UInt64: [FieldDifference]])
    throws
  {
    for group in 0..<left.groups where left.hasBackup(group) {
      let start = left.firstBlock + group * left.blocksPerGroup
      guard start < left.blocks else { continue }
      let end = min(start + 1 + left.descriptorBlocks, left.blocks)
      let place = start * left.blockSize..<end * left.blockSize
      guard group > 0 else { continue }
      claims.append(place)
      guard ranges.intersects(place) else { continue }
      let (one, other) = (try left.bytes(ofBlock: start), try right.bytes(ofBlock: start))
      let name = "\(region), backup superblock"
      list.add(
        name, "group \(group)",
        RecordLayout.ext4Superblock.differences(Array(one.prefix(1024)), Array(other.prefix(1024)))
          .filter { !superblock.contains($0) && $0.field != "checksum" })
      try compareDescriptorCopies(of: group, at: start + 1, descriptors)
    }
  }

  private func compareDescriptorCopies(
    of copy: UInt64, at block: UInt64, _ descriptors: [UInt64: [FieldDifference]]
  ) throws {
    let size = left.descriptorSize
    let start = block * left.blockSize
    var next: UInt64 = 0
    for range in ranges.within(start..<start + left.groups * size) {
      let first = max((range.lowerBound - start) / size, next)
      next = (range.upperBound - start + size - 1) / size
      for group in first..<max(next, first) {
        let place = start + group * size
        let (own, derived) = RecordLayout.ext4GroupDescriptor.allDifferences(
          try leftBytes.bytes(Int(size), at: place), try rightBytes.bytes(Int(size), at: place))
        let known = Set(descriptors[group] ?? [])
        let new = own.isEmpty && known.isEmpty ? derived : own.filter { !known.contains($0) }
        list.add("\(region), backup group descriptors of group \(copy)", "group \(group)", new)
      }
    }
  }

  // MARK: - Inodes without a name

  private func compareInodeTables() throws {
    for group in 0..<left.groups {
      let table = left.inodeTable(group)
      guard table < left.blocks, left.inodeTableBlocks <= left.blocks - table else { continue }
      let start = table * left.blockSize
      let place = start..<start + left.inodeTableBlocks * left.blockSize
      claims.append(place)
      var next: UInt64 = 0
      for range in ranges.within(place) {
        let first = max((range.lowerBound - start) / left.inodeSize, next)
        let last = min((range.upperBound - start - 1) / left.inodeSize, left.inodesPerGroup - 1)
        guard first <= last else { continue }
        for index in first...last {
          let number = group * left.inodesPerGroup + index + 1
          guard number <= left.inodes, !isVisited(number) else { continue }
          try list.add(
            region, "inode \(number), without a name",
            RecordLayout.ext4Inode.differences(left.inode(number).bytes, right.inode(number).bytes))
        }
        next = last + 1
      }
    }
  }

  // MARK: - The rest

  private func compareRest() throws {
    var (kind, places): (String?, [Range<UInt64>]) = (nil, [])
    func end() throws {
      guard let kind, let first = places.first?.lowerBound, let last = places.last?.upperBound else { return }
      let blocks = first / left.blockSize...(last - 1) / left.blockSize
      try list.addBytes(
        "\(region), \(kind)",
        blocks.count == 1
          ? "block \(blocks.lowerBound)" : "blocks \(blocks.lowerBound)–\(blocks.upperBound)", places,
        leftBytes, rightBytes, from: blocks.lowerBound * left.blockSize)
      places = []
    }
    for range in ranges.subtracting(claims).ranges {
      var start = range.lowerBound
      while start < range.upperBound {
        let block = start / left.blockSize
        let piece = start..<min(range.upperBound, (block + 1) * left.blockSize)
        start = piece.upperBound
        let new = piece.upperBound <= Ext4Filesystem.superblockPlace ? "boot block" : try self.kind(of: block)
        // A run goes on in the next block.
        if new != kind || block > (places.last?.upperBound ?? 0) / left.blockSize { try end() }
        kind = new
        if let last = places.last, last.upperBound == piece.lowerBound {
          places[places.count - 1] = last.lowerBound..<piece.upperBound
        } else {
          places.append(piece)
        }
      }
    }
    try end()
  }

  /// What a block is that no file has.
  private func kind(of block: UInt64) throws -> String {
    guard block >= left.firstBlock, block < left.blocks else {
      return block == 0 ? "boot block" : "space behind the filesystem"
    }
    let group = (block - left.firstBlock) / left.blocksPerGroup
    let index = (block - left.firstBlock) % left.blocksPerGroup
    if block == 0 || index == 0 && left.hasBackup(group) { return "block of the superblock" }
    if left.hasBackup(group), index <= left.descriptorBlocks + left.reservedDescriptorBlocks {
      return "reserved group descriptors"
    }
    switch (try left.isUsed(block), try right.isUsed(block)) {
    case (false, false): return "free blocks"
    case (true, true): return "blocks that no file has"
    default: return "blocks that are free on one side"
    }
  }
}
