internal import Basics
internal import CExt2fs
internal import Ext4Geometry

/// Which blocks hold a file's content, in the order of the file. Between two extents there may be a hole.
struct ExtentList {
  /// A row of blocks that follow each other both in the file and on disk.
  struct Extent: Hashable {
    var logical: UInt32
    var length: UInt16
    var physical: UInt64
  }

  private(set) var extents: [Extent] = []
  /// Blocks of content.
  private(set) var blocks: UInt64 = 0

  /// Adds blocks at the end of the file, or behind a hole.
  mutating func append(logical: UInt64, _ run: BlockRun) {
    blocks += run.count
    var logical = logical
    var run = run
    if let last = extents.last, UInt64(last.logical) + UInt64(last.length) == logical,
      last.physical + UInt64(last.length) == run.start
    {
      let more = min(run.count, UInt64(Ext4Format.extentLimit) - UInt64(last.length))
      extents[extents.count - 1].length += UInt16(more)
      logical += more
      run = BlockRun(start: run.start + more, count: run.count - more)
    }
    while run.count > 0 {
      let length = min(run.count, UInt64(Ext4Format.extentLimit))
      extents.append(Extent(logical: UInt32(logical), length: UInt16(length), physical: run.start))
      logical += length
      run = BlockRun(start: run.start + length, count: run.count - length)
    }
  }
}

/// An extent tree as it is on disk: every block but the last of each level full.
struct ExtentTree {
  /// What goes into the inode: header and entries, 60 bytes.
  private(set) var inodeBytes: [UInt8]
  /// Blocks besides the inode.
  private(set) var blocks: UInt64

  /// Writes the tree over some extents.
  ///
  /// - Parameters:
  ///   - seed: the checksum seed of the inode.
  ///   - write: takes a block's content and returns where it was put.
  init(
    _ list: ExtentList, seed: UInt32, write: ([UInt8]) throws(Fault) -> UInt64
  ) throws(Fault) {
    var entries = list.extents.map { extent in
      Entry(logical: extent.logical, length: extent.length, physical: extent.physical)
    }
    var depth: UInt16 = 0
    blocks = 0
    while entries.count > Ext4Format.extentsPerInode {
      var parents: [Entry] = []
      for begin in stride(from: 0, to: entries.count, by: Ext4Format.extentsPerBlock) {
        let end = min(begin + Ext4Format.extentsPerBlock, entries.count)
        var bytes = Self.node(
          entries[begin..<end], depth: depth, capacity: Ext4Format.extentsPerBlock,
          size: Ext4Options.blockSize)
        let covered = 12 + 12 * Ext4Format.extentsPerBlock
        bytes.store(ext2fs_crc32c_le(seed, bytes, covered), at: covered)
        let place = try write(bytes)
        parents.append(Entry(logical: entries[begin].logical, length: nil, physical: place))
        blocks += 1
      }
      entries = parents
      depth += 1
    }
    inodeBytes = Self.node(entries[...], depth: depth, capacity: Ext4Format.extentsPerInode, size: 60)
  }

  private struct Entry {
    var logical: UInt32
    /// Nil in an index.
    var length: UInt16?
    var physical: UInt64
  }

  private static func node(
    _ entries: ArraySlice<Entry>, depth: UInt16, capacity: Int, size: Int
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    bytes.store(UInt16(EXT3_EXT_MAGIC), at: 0)
    bytes.store(UInt16(entries.count), at: 2)
    bytes.store(UInt16(capacity), at: 4)
    bytes.store(depth, at: 6)
    for (index, entry) in entries.enumerated() {
      let at = 12 + 12 * index
      bytes.store(entry.logical, at: at)
      if let length = entry.length {
        bytes.store(length, at: at + 4)
        bytes.store(UInt16(entry.physical >> 32), at: at + 6)
        bytes.store(UInt32(truncatingIfNeeded: entry.physical), at: at + 8)
      } else {
        bytes.store(UInt32(truncatingIfNeeded: entry.physical), at: at + 4)
        bytes.store(UInt16(entry.physical >> 32), at: at + 8)
      }
    }
    return bytes
  }
}

extension [UInt8] {
  /// Stores an integer in the disk's order, little-endian.
  mutating func store<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self) }
  }
}
