internal import Basics
internal import Ext4Geometry
internal import Glibc
internal import ImageModel

/// Counts what a tree needs, by the rules by which it would be written.
final class TreeMeter: TreeStore {
  let inodeLimit = UInt32.max
  private(set) var blocks: UInt64 = 0
  private let hashSeed: HashSeed
  private let dataRows = DataRows()

  init(hashSeed: GUID) {
    self.hashSeed = HashSeed(hashSeed.bytes)
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
    // Opened whatever its size: one that cannot be read is told of now, and not when it is poured.
    let source = try OpenContent(content)
    var rows: [UInt64] = []
    var next: UInt64 = 0
    while let row = try dataRows.next(in: source, size: size, from: next) {
      rows.append(row.count)
      next = row.start + row.count
    }
    try source.checkUnchanged()
    countBlocks(rows)
  }
}
