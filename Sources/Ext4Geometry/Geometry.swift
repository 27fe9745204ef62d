/// Where the room of a filesystem goes, computed as libext2fs's `ext2fs_initialize` does (1.47.0), without
/// making it.
package struct Geometry: Hashable, Sendable {
  package static let groupsPerFlexLog = 4
  package static let lostAndFoundBlocks = 4
  /// Blocks of a group as long as there are not too many inodes, and the most inodes: one bitmap's.
  private static let groupLimit: UInt64 = 32768
  private static let descriptorsPerBlock: UInt64 = 64
  private static let inodesPerBlock: UInt64 = 16

  /// Blocks of the filesystem: those asked for, less a last group too small to be of use.
  package private(set) var blocks: UInt64
  /// Inodes of the filesystem: those asked for and what fills the tables.
  package private(set) var inodes: UInt64
  /// Blocks that an empty filesystem does not give to files: tables, journal, root and `lost+found` excepted.
  package private(set) var overhead: UInt64

  private var blocksPerGroup = groupLimit
  private var inodeBlocksPerGroup: UInt64 = 0
  private var groups: UInt64 = 0
  private var descriptorBlocks: UInt64 = 0
  private var reservedDescriptorBlocks: UInt64 = 0

  /// Computes the layout for a number of blocks and at least that many inodes; nil when these do not go
  /// together.
  package init?(blocks asked: UInt64, inodes wanted: UInt64) {
    guard Ext4Format.blockLimits.contains(asked) else { return nil }
    blocks = asked
    inodes = wanted
    overhead = 0
    while true {
      guard settleTables(asked, wanted) else { return nil }
      let last = groups - 1
      let rest = blocks % blocksPerGroup
      let lastTables = 2 + inodeBlocksPerGroup + (Self.hasBackup(last) ? backupBlocks : 0)
      if groups == 1, rest > 0, rest < lastTables { return nil }
      guard rest > 0, rest < lastTables + 50 else { break }
      blocks -= rest
    }
    let backups = UInt64((0..<groups).count { Self.hasBackup($0) })
    let tables = groups * (2 + inodeBlocksPerGroup) + backups * backupBlocks
    let journal = Self.journalBlocks(blocks)
    let journalExtents = journal.dividedRoundingUp(by: UInt64(Ext4Format.extentLimit))
    let journalTree = Ext4Format.treeBlocks(extents: Int(journalExtents))
    // The resize inode has one block of its own; those it reserves are counted with the backups.
    overhead = tables + journal + journalTree + 1
    guard overhead < blocks else { return nil }
  }

  /// The blocks that the kernel keeps from everybody, so that delayed writes find room: they are free, but
  /// statfs(2) counts them in `f_bfree` only (`ext4_calculate_resv_clusters` in the kernel's
  /// fs/ext4/super.c).
  package var kernelReserve: UInt64 { min(blocks / 50, 4096) }

  /// Blocks that are left for root after a tree was poured: `f_bavail` and what is reserved for root. Nil
  /// when the tree does not fit.
  package func available(after need: TreeNeed) -> UInt64? {
    let used = overhead + need.blocks
    guard used <= blocks, need.inodes <= inodes else { return nil }
    return blocks - used - min(kernelReserve, blocks - used)
  }

  /// A superblock, group descriptors, and the blocks kept for more of these.
  private var backupBlocks: UInt64 { 1 + descriptorBlocks + reservedDescriptorBlocks }

  /// Sizes groups and tables for the present number of blocks.
  ///
  /// For more inodes than the bitmaps of full groups hold, groups become smaller.
  private mutating func settleTables(_ asked: UInt64, _ wanted: UInt64) -> Bool {
    groups = blocks.dividedRoundingUp(by: blocksPerGroup)
    guard groups > 0 else { return false }
    var perGroup = max(wanted, 12).dividedRoundingUp(by: groups)
    while perGroup > Self.groupLimit {
      guard blocksPerGroup >= 256 else { return false }
      blocksPerGroup -= 8
      blocks = asked
      groups = blocks.dividedRoundingUp(by: blocksPerGroup)
      perGroup = max(wanted, 12).dividedRoundingUp(by: groups)
    }
    descriptorBlocks = groups.dividedRoundingUp(by: Self.descriptorsPerBlock)
    let filled = perGroup.dividedRoundingUp(by: Self.inodesPerBlock) * Self.inodesPerBlock
    inodeBlocksPerGroup = filled / Self.inodesPerBlock
    inodes = filled * groups
    let growth = min(blocks * 1024, UInt64(UInt32.max))
    reservedDescriptorBlocks = min(
      growth.dividedRoundingUp(by: blocksPerGroup).dividedRoundingUp(by: Self.descriptorsPerBlock)
        - descriptorBlocks, 1024)
    // With more descriptors than that, libext2fs would spread them out, and there would be no online growth.
    guard reservedDescriptorBlocks + descriptorBlocks <= blocksPerGroup * 3 / 4 else { return false }
    return inodes <= UInt64(UInt32.max) && backupBlocks + 2 + inodeBlocksPerGroup <= blocksPerGroup
  }

  /// Groups 0, 1 and the powers of 3, 5 and 7 have copies of superblock and descriptors (sparse_super).
  private static func hasBackup(_ group: UInt64) -> Bool {
    if group <= 1 { return true }
    return [UInt64(3), 5, 7].contains { base in
      var power = base
      while power < group { power *= base }
      return power == group
    }
  }

  /// The journal that `mke2fs` makes by default, in blocks; 0 for a filesystem that is too small for one.
  package static func journalBlocks(_ blocks: UInt64) -> UInt64 {
    switch blocks {
    case ..<2048: 0
    case ..<32768: 1024
    case ..<(256 << 10): 4096
    case ..<(512 << 10): 8192
    case ..<(4096 << 10): 16384
    case ..<(8192 << 10): 32768
    case ..<(16384 << 10): 65536
    case ..<(32768 << 10): 131_072
    default: 262_144
    }
  }
}
