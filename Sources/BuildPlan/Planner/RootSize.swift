internal import ImageModel

/// How large the root filesystem must be, and how many inodes it needs.
struct RootSize {
  /// Everything that is certain to be written, without room for more.
  let need: ByteSize
  /// Inodes for ext4: what is there, room for the free space, and for what activation makes.
  let inodes: UInt64

  private static let block: UInt64 = 4096
  private static let inodeSize: UInt64 = 256
  private static let blocksPerGroup: UInt64 = 32768
  /// mke2fs's usual ratio: an inode for every 16 KiB.
  private static let bytesPerInode: UInt64 = 16384
  /// `/etc`, `/var` and what else activation makes.
  private static let activationInodes: UInt64 = 8192
  private static let activationBytes: UInt64 = 16 << 20

  init(closure: ClosureFacts, filesystem: FilesystemKind, free: ByteSize) {
    inodes = closure.inodes + Self.activationInodes + free.bytes / Self.bytesPerInode
    // Measured on databases of 100 to 5,000 paths: below 700 bytes a path and 250 a reference, indexes included.
    let database = UInt64(closure.paths) * 700 + UInt64(closure.references) * 250 + (1 << 20)
    let data = closure.content.bytes + database + Self.activationBytes
    let bytes: UInt64
    switch filesystem {
    case .ext4, .vfat:
      bytes = Self.ext4Bytes(data: data, inodes: inodes, free: free.bytes)
    case .xfs:
      // mkfs.xfs refuses less than 300 MiB; the log takes 64 MiB of a small filesystem.
      bytes = max(300 << 20, data + closure.inodes * 1024 + data / 20 + (96 << 20))
    case .btrfs:
      // Metadata is kept twice, and chunks are allocated whole: 256 MiB and more of them at a time.
      bytes = max(256 << 20, data + closure.inodes * 2048 + data / 10 + (384 << 20))
    }
    need = ByteSize(bytes: bytes).rounded(upTo: 1 << 20)
  }

  /// Data, inode tables, journal, bitmaps and descriptors, for a filesystem that also has `free` bytes.
  private static func ext4Bytes(data: UInt64, inodes: UInt64, free: UInt64) -> UInt64 {
    let tables = inodes * inodeSize
    let estimate = (data + tables + free) * 102 / 100
    let groups = (estimate / block) / blocksPerGroup + 2
    // Two bitmaps a group, descriptors, and descriptors reserved for growth to 1024 times the size.
    let perGroup = groups * 2 * block + min(groups, 1024) * block * 2
    return data * 102 / 100 + tables + perGroup + journal(of: estimate) + (4 << 20)
  }

  /// The journal that mke2fs makes by itself (e2fsprogs 1.47, `ext2fs_default_journal_size`), in bytes.
  private static func journal(of filesystem: UInt64) -> UInt64 {
    switch filesystem / block {
    case ..<32_768: 1024 * block
    case ..<262_144: 4096 * block
    case ..<524_288: 8192 * block
    case ..<4_194_304: 16_384 * block
    case ..<8_388_608: 32_768 * block
    case ..<16_777_216: 65_536 * block
    default: 262_144 * block
    }
  }
}
