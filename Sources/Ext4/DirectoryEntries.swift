internal import Basics
internal import CExt2fs

/// The entries of a directory that is being filled, packed: millions of them must fit into memory.
struct DirectoryEntries {
  struct Entry {
    var inode: UInt32
    /// The file type of the entry, `EXT2_FT_*`.
    var type: UInt8
    var nameLength: UInt8
    var nameStart: Int
  }

  private(set) var entries: [Entry] = []
  private var names: [UInt8] = []

  /// Adds an entry; the caller sees to it that no name comes twice.
  mutating func append(name: some Collection<UInt8>, inode: UInt32, type: UInt8) {
    entries.append(
      Entry(inode: inode, type: type, nameLength: UInt8(name.count), nameStart: names.count))
    names += name
  }

  func name(of entry: Entry) -> ArraySlice<UInt8> {
    names[entry.nameStart..<entry.nameStart + Int(entry.nameLength)]
  }

  /// Writes an entry's record.
  func store(
    _ entry: Entry, length: Int, at offset: Int, in block: UnsafeMutableRawBufferPointer
  ) {
    block.storeRecord(
      inode: entry.inode, type: entry.type, length: length, name: name(of: entry), at: offset)
  }

  /// Bytes of a record that holds a name of this length: a header of 8, in steps of 4.
  static func recordLength(name length: Int) -> Int {
    (8 + length + 3) & ~3
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Writes a directory record (struct ext2_dir_entry_2).
  func storeRecord(
    inode: UInt32, type: UInt8, length: Int, name: some Collection<UInt8>, at offset: Int
  ) {
    storeBytes(of: inode.littleEndian, toByteOffset: offset, as: UInt32.self)
    storeBytes(of: UInt16(length).littleEndian, toByteOffset: offset + 4, as: UInt16.self)
    self[offset + 6] = UInt8(name.count)
    self[offset + 7] = type
    self[(offset + 8)...].copyBytes(from: name)
  }
}

/// How a directory's entries are spread over its blocks: decided before anything is written.
struct DirectoryLayout {
  /// Bytes of a block that hold records; the checksum is in the last 12.
  static let usable = Ext4Options.blockSize - 12
  /// Entries of the index in its root and in its other blocks, each of 8 bytes.
  static let rootLimit = (Ext4Options.blockSize - 32) / 8 - 1
  static let nodeLimit = (Ext4Options.blockSize - 8) / 8 - 1

  /// A block of records: which of the ordered entries it holds, and the hash that leads to it.
  struct Leaf {
    var range: Range<Int>
    var hash: UInt32
  }

  /// Indices into the entries, in the order in which they are written.
  private(set) var order: [Int]
  /// Empty when all is in one block.
  private(set) var leaves: [Leaf] = []
  /// Blocks of the index below its root, from the top level down.
  private(set) var levels: [Int] = []

  /// All blocks of the directory.
  var blocks: Int { leaves.isEmpty ? 1 : 1 + levels.reduce(0, +) + leaves.count }
  /// Two levels below the root need a feature of their own.
  var needsLargeDirectories: Bool { levels.count > 1 }

  /// Spreads entries out.
  ///
  /// - Parameter seed: the filesystem's hash seed.
  /// - Throws: `Fault` for more entries than an index of three levels holds.
  init(_ entries: DirectoryEntries, seed: HashSeed, path: TreePath) throws(Fault) {
    let dots = 2 * DirectoryEntries.recordLength(name: 1)
    let lengths = entries.entries.map { DirectoryEntries.recordLength(name: Int($0.nameLength)) }
    order = Array(lengths.indices)
    guard dots + lengths.reduce(0, +) > Self.usable else { return }
    let hashes = entries.entries.map { seed.hash(entries.name(of: $0)) }
    // The last resort is the order of the names: it must not depend on how the sort treats equals.
    order.sort { (hashes[$0].major, hashes[$0].minor, $0) < (hashes[$1].major, hashes[$1].minor, $1) }
    var begin = 0
    var room = Self.usable
    func close(_ end: Int) {
      let first = hashes[order[begin]].major
      // A hash that goes on from the block before is marked by its lowest bit, which is never part of it.
      let continues = begin > 0 && hashes[order[begin - 1]].major == first
      leaves.append(Leaf(range: begin..<end, hash: continues ? first | 1 : first))
      begin = end
      room = Self.usable
    }
    for (position, index) in order.enumerated() {
      if lengths[index] > room { close(position) }
      room -= lengths[index]
    }
    close(order.count)
    levels = Self.levels(leaves: leaves.count)
    guard levels.count <= 2 else {
      throw .unsupported(path, "\(order.count) entries are more than the index of a directory can lead to")
    }
  }
}

extension DirectoryLayout {
  /// Blocks of each level of the index between its root and so many blocks of records.
  static func levels(leaves: Int) -> [Int] {
    var levels: [Int] = []
    var count = leaves
    while count > rootLimit {
      count = (count + nodeLimit - 1) / nodeLimit
      levels.insert(count, at: 0)
    }
    return levels
  }
}

/// The seed of a filesystem's directory hashes.
struct HashSeed {
  private let words: [UInt32]

  /// Takes sixteen bytes as they are in the superblock.
  init(_ bytes: [UInt8]) {
    words = stride(from: 0, to: bytes.count - 3, by: 4).map { start in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) }
    }
  }

  /// The hash of a name as the kernel computes it: half MD4, characters taken as signed.
  func hash(_ name: ArraySlice<UInt8>) -> (major: UInt32, minor: UInt32) {
    var major: UInt32 = 0
    var minor: UInt32 = 0
    name.withUnsafeBytes { bytes in
      // The only error is an unknown version.
      _ = ext2fs_dirhash(
        EXT2_HASH_HALF_MD4, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), words,
        &major, &minor)
    }
    return (major, minor)
  }
}
