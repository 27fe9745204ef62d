internal import Basics
internal import CExt2fs
internal import CLinux
package import Ext4Geometry
internal import Glibc
package import ImageModel
package import SystemPackage

/// Writes trees into ext4 filesystems, and says how large these must be.
package enum Ext4 {
  /// A filesystem that was made.
  package struct Poured: Hashable, Sendable {
    /// Blocks of the filesystem, which may be a few fewer than there was room for.
    package var blocks: UInt64
    /// Blocks that nothing uses, those reserved for root and by the kernel included.
    package var freeBlocks: UInt64
    package var inodes: UInt64
    package var freeInodes: UInt64
  }

  /// Makes an ext4 filesystem with a tree in it, in a range of a file; nothing else in the file is touched.
  ///
  /// The same tree and options give the same bytes, however the sources are laid out on the host. The file is
  /// made and extended as needed, and stays sparse. Nothing waits for the disk: the caller decides when to
  /// fsync. After an error the range holds anything; throwing the file away is the caller's part.
  ///
  /// The work is done on a thread of its own.
  ///
  /// - Throws: `Fault`, or `CancellationError` between two nodes or two pieces of a file.
  package static func pour(
    _ nodes: any NodeSource, to file: FilePath, _ options: Ext4Options
  ) async throws -> Poured {
    try await onThread { try poured(nodes, to: file, options) }
  }

  /// Counts the blocks and inodes that a tree needs. Reads of the files no more than tells where holes are.
  ///
  /// - Parameter hashSeed: the one that the filesystem will have; it decides how entries share blocks.
  /// - Throws: `Fault`, or `CancellationError` between two nodes or two pieces of a file.
  package static func measure(_ nodes: any NodeSource, hashSeed: GUID) async throws -> TreeNeed {
    try await onThread {
      let meter = TreeMeter(hashSeed: hashSeed)
      var assembler = TreeAssembler(meter, time: Timestamp(seconds: 1))
      var nodes = nodes
      try assembler.assemble(&nodes)
      return TreeNeed(blocks: meter.blocks, inodes: assembler.inodes)
    }
  }

  /// Replaces the tree of a filesystem that `pour` made, but for what the new tree keeps of it (`Node.Kind.kept`). What is
  /// kept is neither read nor written; all that nothing uses any more reads as zeros.
  ///
  /// The same old tree, new tree and options give the same bytes.
  ///
  /// - Parameters:
  ///   - options: those of the pour.
  ///   - nodes: makes the new tree; it is gone through twice.
  /// - Throws: as `pour`. The range holds anything then.
  package static func replaceTree(
    in file: FilePath, _ options: Ext4Options, by nodes: @escaping @Sendable () throws -> any NodeSource
  ) async throws -> Poured {
    try await onThread {
      try options.check()
      let image = try openImage(file)
      defer { close(image.rawValue) }
      let filesystem = try FilesystemHandle(opening: file, options)
      let existing = ExistingTree(filesystem) { (blocks) throws(Fault) in
        try clear(blocks, of: image, file, options)
      }
      var old = try nodes()
      try existing.release(allBut: &old)
      return try write(nodes(), to: filesystem, image, file, options, existing: existing)
    }
  }

  private static func poured(
    _ nodes: any NodeSource, to path: FilePath, _ options: Ext4Options
  ) throws -> Poured {
    try options.check()
    let file = try openImage(path, options)
    defer { close(file.rawValue) }
    return try write(nodes, to: FilesystemHandle(options, file: path), file, path, options)
  }

  private static func write(
    _ nodes: any NodeSource, to filesystem: FilesystemHandle, _ file: FileDescriptor, _ path: FilePath,
    _ options: Ext4Options, existing: ExistingTree? = nil
  ) throws -> Poured {
    let writer = TreeWriter(
      filesystem,
      writer: ImageWriter(file, path: path, offset: options.offset, sharesBlocks: options.sharesBlocks),
      options: options)
    var assembler = TreeAssembler(
      writer, time: Timestamp(seconds: Int64(options.time)), existing: existing)
    var nodes = nodes
    try assembler.assemble(&nodes)
    try writer.finish()
    let superblock = filesystem.raw.pointee.super
    let poured = Poured(
      blocks: ext2fs_blocks_count(superblock), freeBlocks: ext2fs_free_blocks_count(superblock),
      inodes: UInt64(superblock?.pointee.s_inodes_count ?? 0),
      freeInodes: UInt64(superblock?.pointee.s_free_inodes_count ?? 0))
    try filesystem.finish()
    return poured
  }

  private static func openImage(_ path: FilePath, creating: CInt = 0) throws(Fault) -> FileDescriptor {
    let descriptor = path.withPlatformString { open($0, O_RDWR | O_CLOEXEC | creating, 0o644) }
    guard descriptor >= 0 else { throw .image(path, doing: "open", Errno(rawValue: errno)) }
    return FileDescriptor(rawValue: descriptor)
  }

  /// Makes blocks read as zeros: rows of them at a time.
  private static func clear(
    _ blocks: [UInt64], of file: FileDescriptor, _ path: FilePath, _ options: Ext4Options
  ) throws(Fault) {
    let size = Ext4Options.blockSize
    var blocks = blocks.sorted()[...]
    while let first = blocks.first {
      let count = zip(blocks, first...).prefix { $0 == $1 }.count
      blocks = blocks.dropFirst(count)
      let start = Int(options.offset.bytes) + Int(first) * size
      guard slipway_punch_hole(file.rawValue, start, count * size) == 0 else {
        throw .image(path, doing: "clear blocks", Errno(rawValue: errno))
      }
    }
  }

  /// Opens the image with room for the filesystem, and makes its range read as zeros.
  private static func openImage(_ path: FilePath, _ options: Ext4Options) throws(Fault) -> FileDescriptor {
    func call(_ doing: String, _ body: () -> CInt) throws(Fault) {
      guard body() == 0 else { throw .image(path, doing: doing, Errno(rawValue: errno)) }
    }
    let file = try openImage(path, creating: O_CREAT)
    let descriptor = file.rawValue
    do throws(Fault) {
      var status = stat()
      try call("examine") { fstat(descriptor, &status) }
      let end = off_t(options.offset.bytes) + off_t(options.size.bytes)
      if status.st_mode & S_IFMT == S_IFREG, status.st_size < end {
        try call("extend to \(ByteSize(bytes: UInt64(end)))") { ftruncate(descriptor, end) }
      }
      // A fresh file need not be able to have holes made in it.
      let data = lseek(descriptor, off_t(options.offset.bytes), slipway_SEEK_DATA)
      let isClear = data < 0 ? errno == ENXIO : data >= end
      if !isClear {
        try call("clear the filesystem's range") {
          slipway_punch_hole(descriptor, Int(options.offset.bytes), Int(options.size.bytes))
        }
      }
      return file
    } catch {
      close(descriptor)
      throw error
    }
  }
}
