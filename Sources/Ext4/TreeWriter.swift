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
  private let dataRows = DataRows()
  private var allocator: BlockAllocator

  /// The blocks of a file that are looked at before they are copied: what has just been read is still in the cache then.
  private static let rowLimit: UInt64 = 4096

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
      try writer.commit(at: run.start)
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
    try writer.commit(at: run.start)
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
      let extents = try place(source, size: content.size, path)
      try source.checkUnchanged()
      try storeExtents(extents, in: &inode, number, path)
    } catch  where allocator.isFull {
      // What is missing is told of the whole file, not of the piece that did not fit.
      let have = ByteSize(bytes: free * UInt64(Ext4Options.blockSize))
      throw Fault.noSpace(path, need: ByteSize(bytes: content.size), have: have)
    }
  }

  /// Gives all that becomes no hole its blocks.
  private func place(
    _ source: borrowing OpenContent, size: UInt64, _ path: TreePath
  ) throws -> ExtentList {
    var extents = ExtentList()
    var next: UInt64 = 0
    while let row = try dataRows.next(in: source, size: size, from: next, limit: Self.rowLimit) {
      next = row.start + row.count
      var logical = row.start
      while logical < next {
        let run = try allocator.take(upTo: next - logical, for: path)
        let shared = writer.share(run, of: source, size: size, at: logical)
        try copy(
          source, size: size, from: logical + shared,
          to: BlockRun(start: run.start + shared, count: run.count - shared))
        extents.append(logical: logical, run)
        logical += run.count
      }
    }
    return extents
  }

  /// Copies blocks of a file, piece by piece.
  private func copy(
    _ source: borrowing OpenContent, size: UInt64, from first: UInt64, to run: BlockRun
  ) throws {
    let blockSize = UInt64(Ext4Options.blockSize)
    var (position, run) = (first * blockSize, run)
    while run.count > 0 {
      try Cancellation.check()
      let blocks = min(run.count, UInt64(ImageWriter.pieceBlocks))
      let length = Int(min(size - position, blocks * blockSize))
      let memory = try writer.reserve(blocks: Int(blocks))
      try source.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<length]), at: position)
      memory.clear(from: length)
      try writer.commit(at: run.start)
      position += blocks * blockSize
      run = BlockRun(start: run.start + blocks, count: run.count - blocks)
    }
  }

  private func storeExtents(
    _ extents: ExtentList, in inode: inout ext2_inode_large, _ number: UInt32, _ path: TreePath
  ) throws(Fault) {
    let seed = filesystem.checksumSeed(inode: number)
    let tree = try ExtentTree(extents, seed: seed) { (bytes) throws(Fault) in
      let run = try allocator.take(upTo: 1, for: path)
      try writer.reserve(blocks: 1).copyBytes(from: bytes)
      try writer.commit(at: run.start)
      return run.start
    }
    inode.setExtents(tree, contentBlocks: extents.blocks)
  }
}
