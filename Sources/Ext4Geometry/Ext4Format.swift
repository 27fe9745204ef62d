/// Constants of the filesystem as Slipway makes it.
package enum Ext4Format {
  /// Bytes in a block. Others exist; `mke2fs` uses none of them for roots of more than 512 MiB.
  package static let blockSize = 4096

  /// From 256 KiB, which hold the tables, to 16 TiB, beyond which there is no resize inode.
  package static let blockLimits: ClosedRange<UInt64> = 64...UInt64(UInt32.max)

  /// The most that one extent can hold, in blocks (EXT_INIT_MAX_LEN).
  package static let extentLimit = 32768
  /// Extents or tree entries of a block: header and checksum take 16 bytes, an entry 12.
  package static let extentsPerBlock = (blockSize - 16) / 12
  /// Extents or tree entries of an inode.
  package static let extentsPerInode = 4

  /// How many blocks the tree over `count` extents takes, besides the inode.
  package static func treeBlocks(extents count: Int) -> UInt64 {
    var level = count
    var blocks = 0
    while level > extentsPerInode {
      level = (level + extentsPerBlock - 1) / extentsPerBlock
      blocks += level
    }
    return UInt64(blocks)
  }
}

extension UInt64 {
  /// The quotient, rounded up.
  package func dividedRoundingUp(by divisor: UInt64) -> UInt64 {
    (self + divisor - 1) / divisor
  }
}
