internal import Ext4Geometry
internal import ImageModel

/// How large a root must be into which a kernel copies the tree. Estimates from above: the free space may be more than
/// what was asked for, not less.
struct CopiedRoot {
  let tree: TreeNeed
  let installation: RootSize.Installation
  let free: ByteSize

  /// The size, and for a filesystem with a table of inodes their number; nil beyond what ext4 can be.
  func need(_ kind: FilesystemKind) -> (size: ByteSize, inodes: UInt64?)? {
    switch kind {
    case .ext2, .ext3, .ext4: ext(kind).map { ($0.size, $0.inodes) }
    case .xfs: (rounded(xfs, kind), nil)
    case .btrfs: (rounded(btrfs, kind), nil)
    case .f2fs: (rounded(f2fs, kind), nil)
    default: (rounded(other, kind), nil)
    }
  }

  private var content: UInt64 { tree.blocks * UInt64(Ext4Format.blockSize) }
  private var inodes: UInt64 { tree.inodes + installation.inodes }
  /// What has to be in it, without what its filesystem takes.
  private var data: UInt64 { content + installation.room.bytes + free.bytes }

  private func rounded(_ bytes: UInt64, _ kind: FilesystemKind) -> ByteSize {
    max(ByteSize(bytes: bytes), kind.least).rounded(upTo: DiskGeometry.alignment)
  }

  /// The poured ext4's size is exact, and its descriptors are twice as large as those of its elders.
  private func ext(_ kind: FilesystemKind) -> (size: ByteSize, inodes: UInt64)? {
    // A file of 13 blocks has a block of pointers, and one more for every 1024; extents need no more than what is
    // counted already.
    let pointers = kind == .ext4 ? 0 : tree.blocks / 13 + tree.blocks / 512
    // The kernel splits a full block of a directory in halves.
    let directories = tree.inodes * 128 / UInt64(Ext4Format.blockSize) + 1
    return TreeNeed(blocks: tree.blocks + pointers + directories, inodes: tree.inodes)
      .filesystem(
        room: installation.room + free, inodes: installation.inodes + free.bytes / 16384)
  }

  /// The log takes 64 MiB, and a 2048th of a large filesystem; 1 % is kept for the trees of reference counts.
  private var xfs: UInt64 {
    let bytes = data + inodes * 1024 + content / 20 + (96 << 20)
    return bytes + bytes / 64
  }

  /// Metadata is kept twice, and chunks are allocated whole: a tenth of the filesystem at a time, 256 MiB at most, or
  /// 1 GiB beyond 50 GiB.
  private var btrfs: UInt64 {
    let bytes = data + inodes * 2048 + content / 10 + (64 << 20)
    let chunks: UInt64 = bytes > 48 << 30 ? 2 << 30 : 512 << 20
    return bytes + max(320 << 20, min(bytes / 4, chunks))
  }

  /// An inode is a block. `mkfs.f2fs` keeps segments back for its cleaning by a rule of its own: measured for 64 MiB to
  /// 64 GiB, they are 4 to 4.4 MiB times the root of the size in MiB. Its own tables take 1 %.
  private var f2fs: UInt64 {
    let bytes = data + inodes * (4096 + 128) + content / 200 + (32 << 20)
    var size = bytes
    // It converges from below, as the root grows slower than the size.
    for _ in 0..<16 {
      size = bytes + size / 100 + UInt64(Double(size >> 20).squareRoot() * 4.5 * Double(1 << 20))
    }
    return size + (1 << 20)
  }

  /// A quarter more than the content, and as much again as a large inode for each file.
  private var other: UInt64 {
    let bytes = data + inodes * 1024 + content / 4 + (128 << 20)
    return bytes + bytes / 20
  }
}
