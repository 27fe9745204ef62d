internal import Basics
internal import CExt2fs
internal import ImageModel

/// A row of blocks, physical numbers.
struct BlockRun: Hashable {
  var start: UInt64
  var count: UInt64
}

/// Hands out blocks in ascending order, as long as that goes.
///
/// It takes long rows from libext2fs and cuts them itself: one look at the bitmap and one change of the group
/// counts for up to 128 MiB.
struct BlockAllocator {
  private static let rowLength: UInt64 = 32768

  private let filesystem: FilesystemHandle
  private var row = BlockRun(start: 0, count: 0)
  private var used: UInt64 = 0
  /// Whether a block was asked for when none was left.
  private(set) var isFull = false

  init(_ filesystem: FilesystemHandle) {
    self.filesystem = filesystem
  }

  /// Blocks that are left.
  var free: UInt64 {
    ext2fs_free_blocks_count(filesystem.raw.pointee.super) - used
  }

  /// Takes up to `count` blocks in one row; at least one.
  ///
  /// - Throws: `Fault` for `path` when none is left.
  mutating func take(upTo count: UInt64, for path: @autoclosure () -> TreePath) throws(Fault) -> BlockRun {
    if used == row.count {
      settle()
      let goal = row.start
      let code = ext2fs_new_range(
        filesystem.raw, 0, goal, Self.rowLength, nil, &row.start, &row.count)
      guard code == 0 else {
        row = BlockRun(start: goal, count: 0)
        guard code == EXT2_ET_BLOCK_ALLOC_FAIL else { throw .library("looking for free blocks", code) }
        isFull = true
        throw .noSpace(path(), need: byteSize(count), have: byteSize(free))
      }
    }
    let run = BlockRun(start: row.start + used, count: min(count, row.count - used))
    used += run.count
    return run
  }

  /// Tells libext2fs what was taken. Needed before it allocates by itself.
  mutating func settle() {
    if used > 0 { ext2fs_block_alloc_stats_range(filesystem.raw, row.start, UInt32(used), 1) }
    row = BlockRun(start: row.start + used, count: 0)
    used = 0
  }
}

private func byteSize(_ blocks: UInt64) -> ByteSize {
  ByteSize(bytes: blocks * UInt64(Ext4Options.blockSize))
}
