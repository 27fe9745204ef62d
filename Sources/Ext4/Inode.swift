internal import CExt2fs
internal import Glibc

extension ext2_inode_large {
  /// An inode with one name and no content.
  init(_ kind: Node.Kind, _ attributes: Attributes, created: UInt32) {
    self.init()
    i_mode = UInt16(kind.formatBits) | attributes.mode & 0o7777
    i_uid = UInt16(truncatingIfNeeded: attributes.owner)
    osd2.linux2.l_i_uid_high = UInt16(attributes.owner >> 16)
    i_gid = UInt16(truncatingIfNeeded: attributes.group)
    osd2.linux2.l_i_gid_high = UInt16(attributes.group >> 16)
    i_links_count = 1
    i_extra_isize = UInt16(MemoryLayout<ext2_inode_large>.size - Int(EXT2_GOOD_OLD_INODE_SIZE))
    (i_atime, i_atime_extra) = attributes.accessed.encoded
    (i_mtime, i_mtime_extra) = attributes.modified.encoded
    (i_ctime, i_ctime_extra) = attributes.changed.encoded
    i_crtime = created
  }

  /// The length of the content, in bytes.
  mutating func setSize(_ size: UInt64) {
    i_size = UInt32(truncatingIfNeeded: size)
    i_size_high = UInt32(size >> 32)
  }

  /// Puts an extent tree in place, and counts its blocks and those of the content.
  mutating func setExtents(_ tree: ExtentTree, contentBlocks: UInt64) {
    i_flags |= UInt32(EXT4_EXTENTS_FL)
    setBlockField(tree.inodeBytes)
    let sectors = (contentBlocks + tree.blocks) * UInt64(Ext4Options.blockSize / 512)
    i_blocks = UInt32(truncatingIfNeeded: sectors)
    osd2.linux2.l_i_blocks_hi = UInt16(sectors >> 32)
  }

  /// The 60 bytes that are extents, a short link's target, or a device's number.
  mutating func setBlockField(_ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &i_block) { $0.copyBytes(from: bytes) }
  }

  /// The kernel keeps small device numbers in the first word, in the old form, and others in the second.
  mutating func setDevice(major: UInt32, minor: UInt32) {
    if major < 256, minor < 256 {
      i_block.0 = major << 8 | minor
    } else {
      i_block.1 = minor & 0xff | major << 8 | (minor & ~0xff) << 12
    }
  }
}

extension Timestamp {
  /// Seconds, and nanoseconds with two more bits of the seconds: 34 bits, counted from 1901.
  var encoded: (seconds: UInt32, extra: UInt32) {
    let lowest = Int64(Int32.min)
    let clamped = min(max(seconds, lowest), lowest + (1 << 34) - 1)
    let low = Int32(truncatingIfNeeded: clamped)
    let epoch = UInt32((clamped - Int64(low)) >> 32)
    let nanoseconds = clamped == seconds ? self.nanoseconds : 0
    return (UInt32(bitPattern: low), nanoseconds << 2 | epoch)
  }
}

extension Node.Kind {
  fileprivate var formatBits: mode_t {
    switch self {
    case .directory: S_IFDIR
    case .file: S_IFREG
    case .symbolicLink: S_IFLNK
    case .characterDevice: S_IFCHR
    case .blockDevice: S_IFBLK
    case .fifo: S_IFIFO
    case .socket: S_IFSOCK
    case .kept: 0
    }
  }
}
