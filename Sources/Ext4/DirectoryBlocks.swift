internal import CExt2fs

/// A directory's blocks as they are on disk, one after another.
struct DirectoryBlocks {
  let entries: DirectoryEntries
  let layout: DirectoryLayout
  /// The directory's own inode.
  let inode: UInt32
  let parent: UInt32
  /// The checksum seed of the inode.
  let seed: UInt32

  /// Fills in block `index` of `layout.blocks`.
  func fill(_ block: UnsafeMutableRawBufferPointer, index: Int) {
    block.initializeMemory(as: UInt8.self, repeating: 0)
    let firstLeaf = layout.blocks - layout.leaves.count
    if layout.leaves.isEmpty {
      fillOnly(block)
    } else if index == 0 {
      fillRoot(block)
    } else if index < firstLeaf {
      fillNode(block, index: index)
    } else {
      fillLeaf(block, layout.leaves[index - firstLeaf].range, from: 0)
    }
  }

  /// Fills in a block that keeps room for entries to come.
  func fillEmpty(_ block: UnsafeMutableRawBufferPointer) {
    block.initializeMemory(as: UInt8.self, repeating: 0)
    block.storeRecord(inode: 0, type: 0, length: DirectoryLayout.usable, name: [], at: 0)
    sealLeaf(block)
  }

  private func fillOnly(_ block: UnsafeMutableRawBufferPointer) {
    let dot = DirectoryEntries.recordLength(name: 1)
    storeDots(block, parentLength: layout.order.isEmpty ? DirectoryLayout.usable - dot : dot)
    fillLeaf(block, layout.order.indices, from: 2 * dot)
  }

  private func storeDots(_ block: UnsafeMutableRawBufferPointer, parentLength: Int) {
    let dot = UInt8(ascii: ".")
    let length = DirectoryEntries.recordLength(name: 1)
    let type = UInt8(EXT2_FT_DIR)
    block.storeRecord(inode: inode, type: type, length: length, name: [dot], at: 0)
    block.storeRecord(inode: parent, type: type, length: parentLength, name: [dot, dot], at: length)
  }

  /// Records, the last of them up to the checksum.
  private func fillLeaf(_ block: UnsafeMutableRawBufferPointer, _ range: Range<Int>, from start: Int) {
    var offset = start
    for position in range {
      let entry = entries.entries[layout.order[position]]
      let isLast = position == range.upperBound - 1
      let length =
        isLast
        ? DirectoryLayout.usable - offset : DirectoryEntries.recordLength(name: Int(entry.nameLength))
      entries.store(entry, length: length, at: offset, in: block)
      offset += length
    }
    sealLeaf(block)
  }

  /// The checksum of a block of records, disguised as a deleted one (struct ext2_dir_entry_tail).
  private func sealLeaf(_ block: UnsafeMutableRawBufferPointer) {
    let usable = DirectoryLayout.usable
    block.storeBytes(of: UInt16(12).littleEndian, toByteOffset: usable + 4, as: UInt16.self)
    block.storeBytes(
      of: UInt16(EXT2_DIR_NAME_LEN_CSUM).littleEndian, toByteOffset: usable + 6, as: UInt16.self)
    let sum = ext2fs_crc32c_le(seed, block.baseAddress?.assumingMemoryBound(to: UInt8.self), usable)
    block.storeBytes(of: sum.littleEndian, toByteOffset: usable + 8, as: UInt32.self)
  }

  /// The first block of an indexed directory: records of `.` and `..`, the latter over the top of the index
  /// (struct dx_root of the kernel).
  private func fillRoot(_ block: UnsafeMutableRawBufferPointer) {
    let size = Ext4Options.blockSize
    storeDots(block, parentLength: size - DirectoryEntries.recordLength(name: 1))
    block[28] = UInt8(EXT2_HASH_HALF_MD4)
    block[29] = 8  // the length of these fields
    block[30] = UInt8(layout.levels.count)
    storeIndex(block, children: children(ofLevel: 0), at: 32, limit: DirectoryLayout.rootLimit)
  }

  /// A block of the index below its root: one deleted record over all of it (struct dx_node of the kernel).
  private func fillNode(_ block: UnsafeMutableRawBufferPointer, index: Int) {
    block.storeBytes(
      of: UInt16(Ext4Options.blockSize).littleEndian, toByteOffset: 4, as: UInt16.self)
    var level = 0
    var position = index - 1
    while position >= layout.levels[level] {
      position -= layout.levels[level]
      level += 1
    }
    let all = children(ofLevel: level + 1)
    let begin = position * DirectoryLayout.nodeLimit
    let mine = all.dropFirst(begin).prefix(DirectoryLayout.nodeLimit)
    storeIndex(block, children: mine, at: 8, limit: DirectoryLayout.nodeLimit)
  }

  /// The blocks one step below a level of the index, 0 being the root, as numbers of the directory's blocks.
  private func children(ofLevel level: Int) -> Range<Int> {
    let first = 1 + layout.levels.prefix(level).reduce(0, +)
    let count = level < layout.levels.count ? layout.levels[level] : layout.leaves.count
    return first..<first + count
  }

  /// The lowest hash below a block of the index or of records.
  private func hash(ofBlock index: Int) -> UInt32 {
    var first = 1
    var span = 1
    var spans: [Int] = []
    for _ in layout.levels.reversed() {
      span *= DirectoryLayout.nodeLimit
      spans.insert(span, at: 0)
    }
    for (level, count) in layout.levels.enumerated() {
      if index < first + count { return layout.leaves[(index - first) * spans[level]].hash }
      first += count
    }
    return layout.leaves[index - first].hash
  }

  /// Index entries, of which the first needs no hash and has limit and count in its place, and the checksum.
  private func storeIndex(
    _ block: UnsafeMutableRawBufferPointer, children: Range<Int>, at start: Int, limit: Int
  ) {
    for (position, child) in children.enumerated() {
      let at = start + 8 * position
      block.storeBytes(of: hash(ofBlock: child).littleEndian, toByteOffset: at, as: UInt32.self)
      block.storeBytes(of: UInt32(child).littleEndian, toByteOffset: at + 4, as: UInt32.self)
    }
    block.storeBytes(of: UInt16(limit).littleEndian, toByteOffset: start, as: UInt16.self)
    block.storeBytes(of: UInt16(children.count).littleEndian, toByteOffset: start + 2, as: UInt16.self)
    // The sum runs over the entries in use, and over the tail with zero in its own place.
    let base = block.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var sum = ext2fs_crc32c_le(seed, base, start + 8 * children.count)
    sum = ext2fs_crc32c_le(sum, [UInt8](repeating: 0, count: 8), 8)
    block.storeBytes(of: sum.littleEndian, toByteOffset: start + 8 * limit + 4, as: UInt32.self)
  }
}
