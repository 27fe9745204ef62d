internal import Basics
internal import CExt2fs
internal import Ext4Geometry
internal import ImageModel
internal import SystemPackage

/// A filesystem being made: libext2fs's handle on it. Used by one thread only.
///
/// libext2fs makes everything but the tree: superblocks, group descriptors, bitmaps, inode tables, journal,
/// resize inode. All of it is where `mke2fs` puts it.
final class FilesystemHandle {
  let raw: ext2_filsys
  /// The root's inode number.
  static let rootInode = UInt32(EXT2_ROOT_INO)
  static let inodeSize: UInt16 = 256

  /// Lays out an empty filesystem over a range of the file that reads as zeros. Nothing is sure to be in the
  /// file before `finish`.
  ///
  /// - Throws: `Fault` when the size and the number of inodes do not go together, or on failed writes.
  init(_ options: Ext4Options, file: FilePath) throws(Fault) {
    guard Geometry(blocks: options.blocks, inodes: options.wantedInodes) != nil else {
      throw .options("\(options.size) cannot hold the tables of \(options.wantedInodes) inodes")
    }
    var parameters = Self.parameters(options)
    var handle: ext2_filsys?
    try checked("laying out the filesystem") {
      file.withPlatformString {
        ext2fs_initialize($0, EXT2_FLAG_64BITS, &parameters, slipway_file_io_manager(), &handle)
      }
    }
    guard let handle else { throw .options("libext2fs made none") }
    raw = handle
    inodeBuffer = .allocate(byteCount: Int(Self.inodeSize), alignment: 8)
    inodeBuffer.initializeMemory(as: UInt8.self, repeating: 0)
    raw.pointee.now = time_t(options.time)
    try checked("setting the offset") { slipway_set_channel_option(raw, "offset=\(options.offset.bytes)") }
    fillSuperblock(options)
    ext2fs_init_csum_seed(raw)
    try makeTables()
    try makeReservedInodes()
    try makeJournal()
  }

  /// Opens a filesystem that was made here, to change it. Nothing is sure to be in the file before `finish`.
  ///
  /// - Throws: `Fault`.
  init(opening file: FilePath, _ options: Ext4Options) throws(Fault) {
    var handle: ext2_filsys?
    try checked("opening the filesystem") {
      file.withPlatformString {
        ext2fs_open2(
          $0, "offset=\(options.offset.bytes)", EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
          slipway_file_io_manager(),
          &handle)
      }
    }
    guard let handle else { throw .options("libext2fs opened none") }
    raw = handle
    inodeBuffer = .allocate(byteCount: Int(Self.inodeSize), alignment: 8)
    inodeBuffer.initializeMemory(as: UInt8.self, repeating: 0)
    raw.pointee.now = time_t(options.time)
    try checked("reading the filesystem's tables") { ext2fs_read_bitmaps(raw) }
  }

  deinit {
    inodeBuffer.deallocate()
    ext2fs_free(raw)
  }

  /// A whole inode as it is on disk: libext2fs would first read the place of a shorter one.
  private let inodeBuffer: UnsafeMutableRawBufferPointer

  /// Writes out everything that is still in memory, without waiting for the disk. The last call.
  ///
  /// Not by `ext2fs_close2`: that loses errors of the last writes, and counts into the superblock what was
  /// written, which depends on what the host's filesystem can do.
  func finish() throws(Fault) {
    let superblock = raw.pointee.super
    let used = ext2fs_blocks_count(superblock) - ext2fs_free_blocks_count(superblock)
    superblock?.pointee.s_kbytes_written = used * UInt64(Ext4Options.blockSize) / 1024
    slipway_mark_changed(raw)
    try checked("writing the filesystem's tables") { ext2fs_flush2(raw, EXT2_FLAG_FLUSH_NO_SYNC) }
    try checked("writing the filesystem's tables") { slipway_set_channel_option(raw, "cache=off") }
  }

  /// The features of Debian's `mke2fs -t ext4`.
  private static func parameters(_ options: Ext4Options) -> ext2_super_block {
    var parameters = ext2_super_block()
    parameters.s_rev_level = UInt32(EXT2_DYNAMIC_REV)
    parameters.s_log_block_size = 2  // 1024 << 2
    parameters.s_inode_size = inodeSize
    parameters.s_feature_compat = UInt32(
      EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_RESIZE_INODE
        | EXT2_FEATURE_COMPAT_DIR_INDEX)
    parameters.s_feature_incompat = UInt32(
      EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_64BIT
        | EXT4_FEATURE_INCOMPAT_FLEX_BG)
    parameters.s_feature_ro_compat = UInt32(
      EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE
        | EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK
        | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM)
    parameters.s_log_groups_per_flex = UInt8(Geometry.groupsPerFlexLog)
    parameters.s_default_mount_opts = UInt32(EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL)
    parameters.s_inodes_count = UInt32(options.wantedInodes)
    ext2fs_blocks_count_set(&parameters, options.blocks)
    ext2fs_r_blocks_count_set(&parameters, options.blocks * options.reservedPercent / 100)
    return parameters
  }

  private func fillSuperblock(_ options: Ext4Options) {
    let superblock = raw.pointee.super
    guard let superblock else { return }
    func copy(_ bytes: [UInt8], to field: UnsafeMutableRawBufferPointer) {
      field.copyBytes(from: bytes.prefix(field.count))
    }
    withUnsafeMutableBytes(of: &superblock.pointee.s_uuid) { copy(options.uuid.bytes, to: $0) }
    withUnsafeMutableBytes(of: &superblock.pointee.s_hash_seed) { copy(options.hashSeed.bytes, to: $0) }
    withUnsafeMutableBytes(of: &superblock.pointee.s_volume_name) { copy(Array(options.label.utf8), to: $0) }
    superblock.pointee.s_def_hash_version = UInt8(EXT2_HASH_HALF_MD4)
    // Plain `char` is signed on some machines and not on others; the image must not depend on the one at
    // hand.
    superblock.pointee.s_flags &= ~UInt32(EXT2_FLAGS_UNSIGNED_HASH)
    superblock.pointee.s_flags |= UInt32(EXT2_FLAGS_SIGNED_HASH)
    superblock.pointee.s_max_mnt_count = -1
    superblock.pointee.s_checksum_type = UInt8(EXT2_CRC32C_CHKSUM)
    superblock.pointee.s_mkfs_time = options.time
    superblock.pointee.s_lastcheck = options.time
  }

  /// Places bitmaps and inode tables. The tables are zeros already, and the flag says so: else the first
  /// mount would spend its time on writing them.
  private func makeTables() throws(Fault) {
    try checked("placing the inode tables") { ext2fs_allocate_tables(raw) }
    for group in 0..<raw.pointee.group_desc_count {
      ext2fs_bg_flags_set(raw, group, UInt16(EXT2_BG_INODE_ZEROED))
      ext2fs_group_desc_csum_set(raw, group)
    }
    var used: UInt64 = 0
    try checked("counting the tables") {
      ext2fs_count_used_clusters(raw, 0, ext2fs_blocks_count(raw.pointee.super) - 1, &used)
    }
    raw.pointee.super.pointee.s_overhead_clusters = UInt32(used)
  }

  /// Reserved inodes need valid checksums even when unused.
  private func makeReservedInodes() throws(Fault) {
    var empty = ext2_inode()
    for number in UInt32(1)..<UInt32(EXT2_GOOD_OLD_FIRST_INO) {
      try checked("writing reserved inode \(number)") { ext2fs_write_inode(raw, number, &empty) }
      if number != Self.rootInode { ext2fs_inode_alloc_stats2(raw, number, 1, 0) }
    }
    try checked("making the list of bad blocks") { ext2fs_update_bb_inode(raw, nil) }
    if raw.pointee.super.pointee.s_feature_compat & UInt32(EXT2_FEATURE_COMPAT_RESIZE_INODE) != 0 {
      try checked("reserving blocks for online growth") { ext2fs_create_resize_inode(raw) }
    }
  }

  private func makeJournal() throws(Fault) {
    let blocks = Geometry.journalBlocks(ext2fs_blocks_count(raw.pointee.super))
    guard blocks > 0 else {
      raw.pointee.super.pointee.s_feature_compat &= ~UInt32(EXT3_FEATURE_COMPAT_HAS_JOURNAL)
      return
    }
    try checked("making the journal") {
      // Its blocks are zeros already; in the middle of the filesystem, as mke2fs has it.
      ext2fs_add_journal_inode2(
        raw, UInt32(blocks), ~0, EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK)
    }
    raw.pointee.super.pointee.s_overhead_clusters += UInt32(blocks)
  }
}

extension FilesystemHandle {
  /// The checksum that those of an inode's own blocks continue from. All our generations are 0.
  func checksumSeed(inode: UInt32) -> UInt32 {
    var words = (inode.littleEndian, UInt32(0))
    return withUnsafeBytes(of: &words) {
      ext2fs_crc32c_le(raw.pointee.csum_seed, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count)
    }
  }

  /// Takes the lowest inode numbers in turn.
  func allocateInode(_ number: UInt32, isDirectory: Bool) {
    ext2fs_inode_alloc_stats2(raw, number, 1, isDirectory ? 1 : 0)
  }

  /// Writes a whole inode, with its checksum and without extended attributes.
  func write(_ inode: ext2_inode_large, number: UInt32) throws(Fault) {
    inodeBuffer.storeBytes(of: inode, as: ext2_inode_large.self)
    guard let address = inodeBuffer.baseAddress else { return }
    try checked("writing inode \(number)") {
      ext2fs_write_inode_full(
        raw, number, address.assumingMemoryBound(to: ext2_inode.self), Int32(inodeBuffer.count))
    }
  }

  /// Sets the number of names of an inode that is on disk.
  func setLinks(_ count: UInt16, of number: UInt32) throws(Fault) {
    var inode = ext2_inode()
    try checked("reading inode \(number)") { ext2fs_read_inode(raw, number, &inode) }
    inode.i_links_count = count
    try checked("writing inode \(number)") { ext2fs_write_inode(raw, number, &inode) }
  }

  /// Adds extended attributes to an inode that is on disk; libext2fs decides which of them fit into it.
  func setAttributes(_ attributes: [ExtendedAttribute], of number: UInt32) throws(Fault) {
    var handle: OpaquePointer?
    try checked("opening the attributes of inode \(number)") { ext2fs_xattrs_open(raw, number, &handle) }
    defer { ext2fs_xattrs_close(&handle) }
    try checked("reading the attributes of inode \(number)") { ext2fs_xattrs_read(handle) }
    for attribute in attributes.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      try checked("setting '\(attribute.name)' of inode \(number)") {
        ext2fs_xattr_set(handle, attribute.name, attribute.value, attribute.value.count)
      }
    }
  }
}
