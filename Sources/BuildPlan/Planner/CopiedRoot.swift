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
    let content = RootContent(tree: content, inodes: inodes, data: data)
    switch kind.writable?.size {
    case .inodeTable(let hasExtents): return table(hasExtents: hasExtents).map { ($0.size, $0.inodes) }
    case .estimate(let bytes): return (rounded(bytes(content), kind), nil)
    case nil: return (rounded(content.unknownNeed, kind), nil)
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
  private func table(hasExtents: Bool) -> (size: ByteSize, inodes: UInt64)? {
    // A file of 13 blocks has a block of pointers, and one more for every 1024; extents need no more than what is
    // counted already.
    let pointers = hasExtents ? 0 : tree.blocks / 13 + tree.blocks / 512
    // The kernel splits a full block of a directory in halves.
    let directories = tree.inodes * 128 / UInt64(Ext4Format.blockSize) + 1
    return TreeNeed(blocks: tree.blocks + pointers + directories, inodes: tree.inodes)
      .filesystem(
        room: installation.room + free, inodes: installation.inodes + free.bytes / 16384)
  }
}
