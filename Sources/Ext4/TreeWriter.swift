internal import Basics
internal import CExt2fs
internal import Ext4Geometry
internal import ImageModel

/// Writes the inodes and blocks of a tree into a filesystem.
final class TreeWriter: TreeStore {
  private let filesystem: FilesystemHandle
  private let writer: ImageWriter
  private let hashSeed: HashSeed
  private let created: UInt32
  private var allocator: BlockAllocator

  let inodeLimit: UInt32

  init(_ filesystem: FilesystemHandle, writer: ImageWriter, options: Ext4Options) {
    self.filesystem = filesystem
    self.writer = writer
    hashSeed = HashSeed(options.hashSeed.bytes)
    created = options.time
    allocator = BlockAllocator(filesystem)
    inodeLimit = filesystem.raw.pointee.super.pointee.s_inodes_count
  }

  /// Writes what is pending, and tells libext2fs of all blocks.
  func finish() throws(Fault) {
    try writer.flush()
    allocator.settle()
  }

  func store(_ node: Node, inode number: UInt32) throws {
    var inode = ext2_inode_large(node.kind, node.attributes, created: created)
    switch node.kind {
    case .directory: throw Fault.unsupported(node.path, "a directory needs its entries")
    case .kept: throw Fault.notThere(node.path)
    case .file(let content): try storeFile(content, in: &inode, number, node.path)
    case .symbolicLink(let target): try storeLink(target, in: &inode, number, node.path)
    case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
      inode.setDevice(major: major, minor: minor)
    case .fifo, .socket: break
    }
    try write(inode, number, isDirectory: false, node.attributes, node.path)
  }

  func store(_ directory: UnfinishedDirectory) throws(Fault) {
    let layout = try DirectoryLayout(directory.entries, seed: hashSeed, path: directory.path)
    let seed = filesystem.checksumSeed(inode: directory.inode)
    let blocks = DirectoryBlocks(
      entries: directory.entries, layout: layout, inode: directory.inode, parent: directory.parent, seed: seed
    )
    var extents = ExtentList()
    let isLostAndFound = directory.path.bytes == TreeAssembler.lostAndFound
    let count = isLostAndFound ? Geometry.lostAndFoundBlocks : layout.blocks
    for index in 0..<count {
      let run = try allocator.take(upTo: 1, for: directory.path)
      let memory = try writer.reserve(blocks: 1)
      if index < layout.blocks { blocks.fill(memory, index: index) } else { blocks.fillEmpty(memory) }
      try writer.commit(run)
      extents.append(logical: UInt64(index), run)
    }
    var inode = ext2_inode_large(.directory, directory.attributes, created: created)
    inode.i_links_count = directory.links
    inode.setSize(UInt64(count * Ext4Options.blockSize))
    if !layout.leaves.isEmpty { inode.i_flags |= UInt32(EXT2_INDEX_FL) }
    if layout.needsLargeDirectories { ext2fs_set_feature_largedir(filesystem.raw.pointee.super) }
    try storeExtents(extents, in: &inode, directory.inode, directory.path)
    try write(inode, directory.inode, isDirectory: true, directory.attributes, directory.path)
  }

  func setLinks(_ count: UInt16, of inode: UInt32) throws(Fault) {
    try filesystem.setLinks(count, of: inode)
  }

  private func write(
    _ inode: ext2_inode_large, _ number: UInt32, isDirectory: Bool, _ attributes: Attributes,
    _ path: TreePath
  ) throws(Fault) {
    filesystem.allocateInode(number, isDirectory: isDirectory)
    try filesystem.write(inode, number: number)
    guard !attributes.extended.isEmpty else { return }
    _ = try AttributeSpace(attributes.extended, path: path)
    allocator.settle()
    try filesystem.setAttributes(attributes.extended, of: number)
  }

  private func storeLink(
    _ target: [UInt8], in inode: inout ext2_inode_large, _ number: UInt32, _ path: TreePath
  ) throws(Fault) {
    try checkLinkTarget(target, path)
    inode.setSize(UInt64(target.count))
    guard target.count >= linkBytesInInode else { return inode.setBlockField(target) }
    let run = try allocator.take(upTo: 1, for: path)
    let memory = try writer.reserve(blocks: 1)
    memory.copyBytes(from: target)
    memory.clear(from: target.count)
    try writer.commit(run)
    var extents = ExtentList()
    extents.append(logical: 0, run)
    try storeExtents(extents, in: &inode, number, path)
  }

  private func storeFile(
    _ content: Node.Content, in inode: inout ext2_inode_large, _ number: UInt32, _ path: TreePath
  ) throws {
    try checkFileSize(content.size, path)
    inode.setSize(content.size)
    let source = try OpenContent(content)
    let free = allocator.free
    do {
      let extents = try copy(source, size: content.size, path)
      try source.checkUnchanged()
      try storeExtents(extents, in: &inode, number, path)
    } catch  where allocator.isFull {
      // What is missing is told of the whole file, not of the piece that did not fit.
      let have = ByteSize(bytes: free * UInt64(Ext4Options.blockSize))
      throw Fault.noSpace(path, need: ByteSize(bytes: content.size), have: have)
    }
  }

  /// Copies all that is not zeros, piece by piece.
  private func copy(
    _ source: borrowing OpenContent, size: UInt64, _ path: TreePath
  ) throws -> ExtentList {
    let blockSize = Ext4Options.blockSize
    var extents = ExtentList()
    var position: UInt64 = 0
    while position < size {
      try Cancellation.check()
      // A hole of the source may be skipped as far as it would be found to be zeros.
      let data = try source.data(from: position) ?? size
      position = max(position, min(Chunk.whole(data), Chunk.whole(size)) * UInt64(Chunk.size))
      guard position < size else { break }
      let length = Int(min(size - position, UInt64(ImageWriter.pieceBlocks * blockSize)))
      let blocks = (length + blockSize - 1) / blockSize
      let memory = try writer.reserve(blocks: blocks)
      try source.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<length]), at: position)
      memory.clear(from: length)
      var block = position / UInt64(blockSize)
      for piece in Self.pieces(UnsafeRawBufferPointer(memory), length: length) {
        if piece.isHole {
          writer.drop(blocks: piece.blocks)
        } else {
          try place(blocks: piece.blocks, logical: block, in: &extents, path)
        }
        block += UInt64(piece.blocks)
      }
      position += UInt64(length)
    }
    return extents
  }

  private func place(
    blocks: Int, logical: UInt64, in extents: inout ExtentList, _ path: TreePath
  ) throws(Fault) {
    var placed = 0
    while placed < blocks {
      let run = try allocator.take(upTo: UInt64(blocks - placed), for: path)
      try writer.commit(run)
      extents.append(logical: logical + UInt64(placed), run)
      placed += Int(run.count)
    }
  }

  /// Rows of blocks that become holes, or do not. Decided before any of them moves.
  private static func pieces(
    _ memory: UnsafeRawBufferPointer, length: Int
  ) -> [(blocks: Int, isHole: Bool)] {
    var pieces: [(blocks: Int, isHole: Bool)] = []
    for begin in stride(from: 0, to: memory.count, by: Chunk.size) {
      let end = min(begin + Chunk.size, memory.count)
      let isHole =
        begin + Chunk.size <= length && UnsafeRawBufferPointer(rebasing: memory[begin..<end]).isZero
      let blocks = (end - begin) / Ext4Options.blockSize
      if pieces.last?.isHole == isHole {
        pieces[pieces.count - 1].blocks += blocks
      } else {
        pieces.append((blocks, isHole))
      }
    }
    return pieces
  }

  private func storeExtents(
    _ extents: ExtentList, in inode: inout ext2_inode_large, _ number: UInt32, _ path: TreePath
  ) throws(Fault) {
    let seed = filesystem.checksumSeed(inode: number)
    let tree = try ExtentTree(extents, seed: seed) { (bytes) throws(Fault) in
      let run = try allocator.take(upTo: 1, for: path)
      try writer.reserve(blocks: 1).copyBytes(from: bytes)
      try writer.commit(run)
      return run.start
    }
    inode.setExtents(tree, contentBlocks: extents.blocks)
  }
}
