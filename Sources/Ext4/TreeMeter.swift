internal import Basics
internal import Ext4Geometry
internal import Glibc
internal import ImageModel

/// Counts what a tree needs, by the rules by which it would be written.
final class TreeMeter: TreeStore {
  let inodeLimit = UInt32.max
  private(set) var blocks: UInt64 = 0
  private let hashSeed: HashSeed
  /// For the look at chunks of zeros.
  private let buffer: UnsafeMutableRawBufferPointer

  init(hashSeed: GUID) {
    self.hashSeed = HashSeed(hashSeed.bytes)
    buffer = .allocate(byteCount: Chunk.size, alignment: 8)
  }

  deinit {
    buffer.deallocate()
  }

  func store(_ node: Node, inode: UInt32) throws {
    try countAttributes(node.attributes, node.path)
    switch node.kind {
    case .file(let content):
      try checkFileSize(content.size, node.path)
      try countContent(content)
    case .symbolicLink(let target):
      try checkLinkTarget(target, node.path)
      if target.count >= linkBytesInInode { blocks += 1 }
    case .directory, .characterDevice, .blockDevice, .fifo, .socket, .kept: break
    }
  }

  func store(_ directory: UnfinishedDirectory) throws(Fault) {
    try countAttributes(directory.attributes, directory.path)
    let layout = try DirectoryLayout(directory.entries, seed: hashSeed, path: directory.path)
    let isLostAndFound = directory.path.bytes == TreeAssembler.lostAndFound
    countBlocks([isLostAndFound ? UInt64(Geometry.lostAndFoundBlocks) : UInt64(layout.blocks)])
  }

  func setLinks(_ count: UInt16, of inode: UInt32) {}

  private func countAttributes(_ attributes: Attributes, _ path: TreePath) throws(Fault) {
    if try AttributeSpace(attributes.extended, path: path).needsBlock { blocks += 1 }
  }

  /// Counts rows of blocks and the extent tree over them. That a row may be broken by tables of the
  /// filesystem is left out: it happens every 128 MiB at most, and costs a block in 340 times.
  private func countBlocks(_ rows: [UInt64]) {
    let limit = UInt64(Ext4Format.extentLimit)
    let extents = rows.reduce(0) { $0 + $1.dividedRoundingUp(by: limit) }
    blocks += rows.reduce(0, +) + Ext4Format.treeBlocks(extents: Int(extents))
  }

  private func countContent(_ content: Node.Content) throws {
    let size = content.size
    let blockSize = UInt64(Ext4Options.blockSize)
    let all = size.dividedRoundingUp(by: blockSize)
    // Opened whatever its size: one that cannot be read is told of now, and not when it is poured.
    let source = try OpenContent(content)
    guard Chunk.whole(size) > 0 else { return countBlocks(all > 0 ? [all] : []) }
    var rows: [UInt64] = []
    var row: UInt64 = 0
    var chunk: UInt64 = 0
    while chunk < Chunk.whole(size) {
      try Cancellation.check()
      let data = Chunk.whole(try source.data(from: chunk * UInt64(Chunk.size)) ?? size)
      var isHole = data > chunk
      if !isHole { isHole = try isZero(source, chunk) }
      if isHole {
        if row > 0 { rows.append(row) }
        row = 0
        chunk = max(min(data, Chunk.whole(size)), chunk + 1)
      } else {
        row += UInt64(Chunk.blocks)
        chunk += 1
      }
    }
    row += all - Chunk.whole(size) * UInt64(Chunk.blocks)
    if row > 0 { rows.append(row) }
    try source.checkUnchanged()
    countBlocks(rows)
  }

  /// Looks at the chunk's first bytes, and at the rest only if these are zeros.
  private func isZero(_ source: borrowing OpenContent, _ chunk: UInt64) throws(Fault) -> Bool {
    for range in [0..<64, 64..<Chunk.size] {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[range])
      try source.read(into: part, at: chunk * UInt64(Chunk.size) + UInt64(range.lowerBound))
      guard UnsafeRawBufferPointer(part).isZero else { return false }
    }
    return true
  }
}
