internal import Basics
internal import CExt2fs

/// A directory while its entries come in.
struct UnfinishedDirectory {
  var path: TreePath
  var inode: UInt32
  var parent: UInt32
  var attributes: Attributes
  var entries = DirectoryEntries()
  var subdirectories = 0

  /// Names that lead to it: its own, `.`, and `..` of each subdirectory.
  ///
  /// Beyond what the field holds it is 1, which says "many" to kernel and e2fsck.
  var links: UInt16 {
    let count = subdirectories + 2
    return count > Int(EXT2_LINK_MAX) ? 1 : UInt16(count)
  }
}

/// What becomes of a tree: it is written, or only measured.
protocol TreeStore: AnyObject {
  /// The highest inode number that there is.
  var inodeLimit: UInt32 { get }
  /// Takes any node but a directory.
  ///
  /// - Throws: `Fault`; `CancellationError` between two pieces of a file.
  func store(_ node: Node, inode: UInt32) throws
  /// Takes a directory with all its entries.
  func store(_ directory: UnfinishedDirectory) throws(Fault)
  /// Says how many names an inode has that was stored with one.
  func setLinks(_ count: UInt16, of inode: UInt32) throws(Fault)
}

/// Turns a stream of nodes into inodes and directories: checks the order, gives numbers, joins hard links.
///
/// In memory are the directories from the root to the node at hand, and one record for each inode that may
/// have more names.
struct TreeAssembler {
  private struct Link {
    var inode: UInt32
    var count: UInt16
    var type: UInt8
  }

  /// The directory that e2fsck puts orphans into. It is made on every filesystem.
  static let lostAndFound = Array("lost+found".utf8)

  private let target: any TreeStore
  private let time: Timestamp
  /// What the filesystem has already; nil for a new one.
  private let existing: ExistingTree?
  private var open: [UnfinishedDirectory] = []
  private var links: [LinkGroup: Link] = [:]
  /// Inodes that have as many names as they can.
  private var full: [Link] = []
  private var nextInode = UInt32(EXT2_GOOD_OLD_FIRST_INO)
  private var previous: TreePath?

  /// The time is that of what no node brings: root, if the tree has none, and `lost+found`.
  init(_ target: any TreeStore, time: Timestamp, existing: ExistingTree? = nil) {
    self.target = target
    self.time = time
    self.existing = existing
  }

  /// Inodes used so far, the reserved ones included.
  var inodes: UInt64 { UInt64(nextInode) - 1 }

  /// Takes all nodes.
  ///
  /// - Throws: `Fault`; `CancellationError` once the task was cancelled.
  mutating func assemble(_ nodes: inout any NodeSource) throws {
    while let node = try nodes.next() {
      try Cancellation.check()
      try add(node)
    }
    try openRoot(nil)
    while let directory = open.popLast() { try target.store(directory) }
    // The numbers of inodes are those of their places: in this order the table is passed over once.
    let shared = (full + links.values).filter { $0.count > 1 }.sorted { $0.inode < $1.inode }
    for link in shared { try target.setLinks(link.count, of: link.inode) }
  }

  private mutating func add(_ node: Node) throws {
    if node.path == .root {
      _ = existing?.nextEntry()
      guard open.isEmpty else { throw Fault.duplicate(node.path) }
      return try openRoot(node)
    }
    try openRoot(nil)
    if let previous, !(previous < node.path) {
      throw previous == node.path
        ? Fault.duplicate(node.path) : Fault.outOfOrder(node.path, after: previous)
    }
    guard node.path.bytes != Self.lostAndFound else {
      throw Fault.unsupported(node.path, "every filesystem gets its own, for e2fsck")
    }
    previous = node.path
    while let directory = open.last, !node.path.isEntry(of: directory.path) {
      guard open.count > 1 else { throw Fault.noDirectory(node.path) }
      open.removeLast()
      try target.store(directory)
    }
    switch node.kind {
    case .directory: return try openDirectory(node)
    case .kept: return try keep(node)
    default: break
    }
    if let group = node.linkGroup { return try addLink(node, group) }
    let inode = try newInode(node.path)
    try target.store(node, inode: inode)
    addEntry(node.path, inode: inode, type: node.kind.entryType)
  }

  private mutating func keep(_ node: Node) throws(Fault) {
    guard let entry = existing?.nextEntry() else { throw .notThere(node.path) }
    addEntry(node.path, inode: entry.inode, type: entry.type)
    if entry.isDirectory { open[open.count - 1].subdirectories += 1 }
  }

  /// The first name of a group makes the inode. So does the one after the last that an inode can have.
  private mutating func addLink(_ node: Node, _ group: LinkGroup) throws {
    if let link = links[group] {
      if link.count < UInt16(EXT2_LINK_MAX) {
        links[group]?.count += 1
        return addEntry(node.path, inode: link.inode, type: link.type)
      }
      full.append(link)
    }
    let inode = try newInode(node.path)
    try target.store(node, inode: inode)
    links[group] = Link(inode: inode, count: 1, type: node.kind.entryType)
    addEntry(node.path, inode: inode, type: node.kind.entryType)
  }

  private mutating func openRoot(_ node: Node?) throws(Fault) {
    guard open.isEmpty else { return }
    if let node {
      guard case .directory = node.kind else { throw .unsupported(node.path, "the root must be a directory") }
    }
    let root = FilesystemHandle.rootInode
    open.append(
      UnfinishedDirectory(
        path: .root, inode: root, parent: root,
        attributes: node?.attributes ?? Attributes(mode: 0o755, time: time)))
    let inode: UInt32
    if let existing { inode = existing.lostAndFound } else { inode = try newInode(.root) }
    addEntry(TreePath(unchecked: Self.lostAndFound), inode: inode, type: UInt8(EXT2_FT_DIR))
    open[0].subdirectories = 1
    guard existing == nil else { return }
    try target.store(
      UnfinishedDirectory(
        path: TreePath(unchecked: Self.lostAndFound), inode: inode, parent: root,
        attributes: Attributes(mode: 0o700, time: time)))
  }

  private mutating func openDirectory(_ node: Node) throws(Fault) {
    guard node.linkGroup == nil else { throw .unsupported(node.path, "a directory has one name only") }
    let inode: UInt32
    if let entry = existing?.nextEntry() { inode = entry.inode } else { inode = try newInode(node.path) }
    let parent = open[open.count - 1].inode
    addEntry(node.path, inode: inode, type: node.kind.entryType)
    open[open.count - 1].subdirectories += 1
    open.append(
      UnfinishedDirectory(path: node.path, inode: inode, parent: parent, attributes: node.attributes))
  }

  private mutating func addEntry(_ path: TreePath, inode: UInt32, type: UInt8) {
    open[open.count - 1].entries.append(name: path.name, inode: inode, type: type)
  }

  private mutating func newInode(_ path: TreePath) throws(Fault) -> UInt32 {
    if let existing {
      guard let free = existing.freeInode(limit: target.inodeLimit) else {
        throw .noInodes(path, have: UInt64(target.inodeLimit))
      }
      return free
    }
    guard nextInode <= target.inodeLimit else { throw .noInodes(path, have: UInt64(target.inodeLimit)) }
    defer { nextInode += 1 }
    return nextInode
  }
}

extension Node.Kind {
  /// The type as directory entries have it.
  var entryType: UInt8 {
    let type =
      switch self {
      case .directory: EXT2_FT_DIR
      case .file: EXT2_FT_REG_FILE
      case .symbolicLink: EXT2_FT_SYMLINK
      case .characterDevice: EXT2_FT_CHRDEV
      case .blockDevice: EXT2_FT_BLKDEV
      case .fifo: EXT2_FT_FIFO
      case .socket: EXT2_FT_SOCK
      // It has the type of what is there.
      case .kept: EXT2_FT_UNKNOWN
      }
    return UInt8(type)
  }
}
