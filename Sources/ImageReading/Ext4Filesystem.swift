internal import Basics
package import ImageModel

/// A run of blocks of a file.
package struct Ext4Extent: Hashable, Sendable {
  /// The first block in the file.
  package var logical: UInt64
  /// The first block on the filesystem.
  package var physical: UInt64
  package var count: UInt64
  /// Whether it reads as zeros, whatever its blocks have.
  package var isUnwritten: Bool
}

/// The blocks of an inode.
package struct Ext4Map: Hashable, Sendable {
  /// In ascending order of the file.
  package var extents: [Ext4Extent] = []
  /// Blocks that have parts of the map itself.
  package var nodes: [UInt64] = []
}

/// An inode as it is on the disk.
package struct Ext4Inode: Sendable {
  package var number: UInt64
  /// Its bytes on the disk.
  package var place: Range<UInt64>
  package var bytes: [UInt8]

  package var mode: UInt64 { bytes.littleEndian(at: 0, 2) }
  package var type: UInt64 { mode & 0o170000 }
  package var isDirectory: Bool { type == 0o040000 }
  package var isFile: Bool { type == 0o100000 }
  package var isLink: Bool { type == 0o120000 }
  package var size: UInt64 {
    isFile || isDirectory
      ? bytes.littleEndian(at: 4, 4) | bytes.littleEndian(at: 0x6c, 4) << 32 : bytes.littleEndian(at: 4, 4)
  }
  package var linkCount: UInt64 { bytes.littleEndian(at: 0x1a, 2) }
  package var flags: UInt64 { bytes.littleEndian(at: 0x20, 4) }
  package var hasInlineData: Bool { flags & 0x1000_0000 != 0 }
  var hasExtents: Bool { flags & 0x8_0000 != 0 }
  /// The block with extended attributes; 0 for none.
  package var attributeBlock: UInt64 {
    bytes.littleEndian(at: 0x68, 4) | bytes.littleEndian(at: 0x76, 2) << 32
  }
  /// The map of blocks, or what is in its place.
  package static let mapPlace = 0x28..<0x64
  package var mapBytes: [UInt8] { Array(bytes[Self.mapPlace]) }
  /// Where extended attributes are in the record; empty without any.
  package var attributePlace: Range<Int> {
    guard bytes.count > 128 else { return 0..<0 }
    let start = 128 + Int(bytes.littleEndian(at: 0x80, 2))
    return start <= bytes.count - 4 ? start..<bytes.count : 0..<0
  }
  /// Whether the map's place has no blocks: a short link's target, or a device's number.
  package var hasNoBlocks: Bool {
    hasInlineData || !(isFile || isDirectory || (isLink && (hasExtents || size >= 60)))
  }
}

/// A reader of ext2, ext3 and ext4 for filesystems of whatever origin: every number is checked before it is used, and the
/// work is limited by the size of the filesystem.
///
/// Linux, Documentation/filesystems/ext4.
package final class Ext4Filesystem {
  /// The superblock's 1024 bytes.
  package let superblock: [UInt8]
  package let blockSize: UInt64
  package let blocks: UInt64
  package let firstBlock: UInt64
  package let blocksPerGroup: UInt64
  package let inodesPerGroup: UInt64
  package let inodes: UInt64
  package let inodeSize: UInt64
  package let descriptorSize: UInt64
  package let groups: UInt64
  package let reservedDescriptorBlocks: UInt64
  /// All descriptors of the groups.
  package let descriptors: [UInt8]

  let disk: ImageBytes
  /// How many more blocks may be read: what leads round in circles ends here.
  private var budget: UInt64
  private var cache: [UInt64: [UInt8]] = [:]
  /// Who compares has a note of each; as many as 4 TiB of mke2fs have.
  private static let inodeLimit: UInt64 = 1 << 28
  private static let cachedPiece: UInt64 = 64 << 10

  package static let superblockPlace: UInt64 = 1024
  package static let root: UInt64 = 2
  package static let journal: UInt64 = 8

  /// Whether there is one, by its magic number.
  package static func isAt(_ disk: ImageBytes) throws -> Bool {
    try disk.bytes(2, at: superblockPlace + 0x38) == [0x53, 0xef]
  }

  /// - Parameter disk: the filesystem from its first byte on.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  package init(_ disk: ImageBytes) throws {
    self.disk = disk
    let superblock = try disk.bytes(1024, at: Self.superblockPlace)
    func field(_ offset: Int, _ size: Int) -> UInt64 { superblock.littleEndian(at: offset, size) }
    guard superblock.count == 1024, field(0x38, 2) == 0xef53 else {
      throw UnreadableStructure("it has no superblock")
    }
    let incompatible = field(0x60, 4)
    // File types, recovery, extents, 64 bits, MMP, flexible groups, attributes in inodes, checksum seeds, large
    // directories, inline data.
    let known: UInt64 = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000
    guard incompatible & ~known == 0, field(0x64, 4) & 0x200 == 0 else {
      throw UnreadableStructure("it has features that are not read here")
    }
    guard field(0x18, 4) <= 6 else { throw UnreadableStructure("its superblock has no known block size") }
    let blockSize: UInt64 = 1024 << field(0x18, 4)
    let is64Bit = incompatible & 0x80 != 0
    let blocks = field(0x04, 4) | (is64Bit ? field(0x150, 4) << 32 : 0)
    let firstBlock = field(0x14, 4)
    let (blocksPerGroup, inodesPerGroup) = (field(0x20, 4), field(0x28, 4))
    let isOld = field(0x4c, 4) == 0
    let inodeSize = isOld ? 128 : field(0x58, 2)
    let descriptorSize = is64Bit ? field(0xfe, 2) : 32
    guard blocks > firstBlock, blocks <= disk.size / blockSize, firstBlock == (blockSize == 1024 ? 1 : 0)
    else {
      throw UnreadableStructure("it has \(blocks) blocks, and its partition \(disk.size / blockSize)")
    }
    guard (1...blockSize * 8).contains(blocksPerGroup), (1...blockSize * 8).contains(inodesPerGroup),
      inodeSize >= 128, inodeSize <= blockSize, inodeSize.nonzeroBitCount == 1, descriptorSize >= 32,
      descriptorSize <= 1024, descriptorSize.nonzeroBitCount == 1
    else { throw UnreadableStructure("its superblock contradicts itself") }
    let groups = (blocks - firstBlock + blocksPerGroup - 1) / blocksPerGroup
    let inodes = field(0x00, 4)
    guard inodes <= groups * inodesPerGroup, inodes >= 11, groups <= blocks,
      inodes <= disk.size / inodeSize, inodes <= Self.inodeLimit
    else {
      throw UnreadableStructure("it has \(inodes) inodes in \(groups) groups")
    }
    self.superblock = superblock
    (self.blockSize, self.blocks, self.firstBlock) = (blockSize, blocks, firstBlock)
    (self.blocksPerGroup, self.inodesPerGroup) = (blocksPerGroup, inodesPerGroup)
    (self.inodes, self.inodeSize, self.descriptorSize) = (inodes, inodeSize, descriptorSize)
    self.groups = groups
    reservedDescriptorBlocks = field(0xce, 2)
    // Ten gigabytes of filesystem have 80 groups.
    guard groups * descriptorSize <= 64 << 20 else { throw UnreadableStructure("it has \(groups) groups") }
    descriptors = try disk.bytes(Int(groups * descriptorSize), at: (firstBlock + 1) * blockSize)
    guard descriptors.count == Int(groups * descriptorSize) else {
      throw UnreadableStructure("it ends within its group descriptors")
    }
    budget = 8 * blocks + 65536
  }

  /// Blocks of the group descriptors.
  package var descriptorBlocks: UInt64 { (groups * descriptorSize + blockSize - 1) / blockSize }

  package func descriptor(_ group: UInt64) -> [UInt8] {
    let start = Int(group * descriptorSize)
    return Array(descriptors[start..<start + Int(descriptorSize)])
  }

  private func address(_ low: Int, _ high: Int, _ group: UInt64) -> UInt64 {
    let start = Int(group * descriptorSize)
    let upper = descriptorSize >= 64 ? descriptors.littleEndian(at: start + high, 4) << 32 : 0
    return descriptors.littleEndian(at: start + low, 4) | upper
  }

  package func blockBitmap(_ group: UInt64) -> UInt64 { address(0x00, 0x20, group) }
  package func inodeBitmap(_ group: UInt64) -> UInt64 { address(0x04, 0x24, group) }
  package func inodeTable(_ group: UInt64) -> UInt64 { address(0x08, 0x28, group) }
  /// Blocks of a group's inode table.
  package var inodeTableBlocks: UInt64 { (inodesPerGroup * inodeSize + blockSize - 1) / blockSize }

  /// Whether a group has a copy of superblock and descriptors.
  package func hasBackup(_ group: UInt64) -> Bool {
    if group == 0 { return true }
    let compatible = superblock.littleEndian(at: 0x5c, 4)
    if compatible & 0x200 != 0 {
      return [superblock.littleEndian(at: 0x24c, 4), superblock.littleEndian(at: 0x250, 4)].contains(group)
    }
    guard superblock.littleEndian(at: 0x64, 4) & 1 != 0 else { return true }
    return group == 1
      || ([3, 5, 7] as [UInt64]).contains { base in
        var power = base
        while power < group { power *= base }
        return power == group
      }
  }

  func spend(_ count: UInt64 = 1) throws {
    guard budget >= count else { throw UnreadableStructure("it leads to more blocks than it has") }
    budget -= count
    try Cancellation.check()
  }

  /// A part of the filesystem, in blocks that it has.
  package func bytes(ofBlock block: UInt64, count: UInt64 = 1) throws -> [UInt8] {
    guard block < blocks, count <= blocks - block, count <= 65536 else {
      throw UnreadableStructure("it leads to block \(block), and has \(blocks)")
    }
    try spend(count)
    let bytes = try disk.bytes(Int(count * blockSize), at: block * blockSize)
    guard bytes.count == Int(count * blockSize) else { throw UnreadableStructure("it is cut short") }
    return bytes
  }

  /// - Throws: `UnreadableStructure` for a number that no inode has.
  package func inode(_ number: UInt64) throws -> Ext4Inode {
    guard number < .max else { throw UnreadableStructure("it leads to inode \(number)") }
    let place = try place(ofInodes: number..<number + 1)
    return Ext4Inode(number: number, place: place, bytes: try cached(place.lowerBound, Int(inodeSize)))
  }

  /// The bytes of inodes on the disk: of those that are in one table with the first.
  ///
  /// - Throws: `UnreadableStructure` for a number that no inode has.
  package func place(ofInodes numbers: Range<UInt64>) throws -> Range<UInt64> {
    let first = numbers.lowerBound
    guard first >= 1, first <= inodes else {
      throw UnreadableStructure("it leads to inode \(first), and has \(inodes)")
    }
    let (group, index) = (first - 1).quotientAndRemainder(dividingBy: inodesPerGroup)
    let table = inodeTable(group)
    guard table < blocks, inodeTableBlocks <= blocks - table else {
      throw UnreadableStructure("the inode table of group \(group) is outside of it")
    }
    let start = table * blockSize + index * inodeSize
    return start..<start + min(UInt64(numbers.count), inodesPerGroup - index) * inodeSize
  }

  /// Bytes that do not cross a piece: pieces are multiples of inodes, and begin where the disk does.
  private func cached(_ offset: UInt64, _ count: Int) throws -> [UInt8] {
    let number = offset / Self.cachedPiece
    let piece: [UInt8]
    if let known = cache[number] {
      piece = known
    } else {
      try spend()
      piece = try disk.bytes(Int(Self.cachedPiece), at: number * Self.cachedPiece)
      if cache.count >= 512 { cache.removeAll() }
      cache[number] = piece
    }
    let start = Int(offset % Self.cachedPiece)
    guard start <= piece.count - count else { throw UnreadableStructure("it is cut short") }
    return Array(piece[start..<start + count])
  }

  /// Which of the bits are set in a bitmap of a group, one a block or an inode.
  package func bitmap(at block: UInt64) throws -> [UInt8] { try bytes(ofBlock: block) }

  /// Whether a block is in use by its group's bitmap.
  package func isUsed(_ block: UInt64) throws -> Bool {
    guard block >= firstBlock, block < blocks else { return true }
    let (group, index) = (block - firstBlock).quotientAndRemainder(dividingBy: blocksPerGroup)
    // A bitmap that was never written reads as it would be made: BLOCK_UNINIT.
    let place = blockBitmap(group)
    guard place < blocks else { throw UnreadableStructure("the bitmap of group \(group) is outside of it") }
    let byte = try cached(place * blockSize + index / 8, 1)
    return byte[0] >> UInt8(index % 8) & 1 == 1
  }
}
