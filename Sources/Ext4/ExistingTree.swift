internal import Basics
internal import CExt2fs
internal import CLinux
internal import Glibc
internal import SystemPackage

/// The tree that a filesystem of ours has already, of which a part stays when another tree takes its place.
///
/// What stays is named by nodes of the kind `.kept`. Directories that both trees have keep their numbers, since `..` of
/// what stays in them leads there. All other inodes and blocks are given back before the new tree is written.
final class ExistingTree {
  private let filesystem: FilesystemHandle
  private let clear: ([UInt64]) throws(Fault) -> Void
  private var raw: ext2_filsys { filesystem.raw }
  /// What the old tree has at the places of the kept nodes and of the directories, in the order of the nodes. It is looked
  /// up before anything changes.
  private var found: [Entry?] = []
  private var taken = 0
  /// Inodes that stay, each with the number of its names that stay.
  private var kept: [UInt32: UInt16] = [:]
  /// Files with several names, each with the number of those outside of kept directories.
  private var met: [UInt32: UInt16] = [:]
  /// Directories that are written again under the same number.
  private var reused: Set<UInt32> = []
  private var lowestFree = UInt32(EXT2_GOOD_OLD_FIRST_INO) + 1
  /// The directories from the root to the one looked at last: nodes come in order.
  private var listings: [Listing] = []

  /// - Parameter clear: makes blocks read as zeros.
  init(_ filesystem: FilesystemHandle, clear: @escaping ([UInt64]) throws(Fault) -> Void) {
    self.filesystem = filesystem
    self.clear = clear
  }

  /// An entry of the old tree.
  struct Entry {
    var inode: UInt32
    /// `EXT2_FT_*`.
    var type: UInt8

    var isDirectory: Bool { type == UInt8(EXT2_FT_DIR) }
  }

  private struct Listing {
    var path: TreePath
    var entries: [ArraySlice<UInt8>: Entry]
  }

  /// The entry at a path; nil where the old tree has none.
  private func entry(at path: TreePath) throws(Fault) -> Entry? {
    guard path != .root else {
      return Entry(inode: FilesystemHandle.rootInode, type: UInt8(EXT2_FT_DIR))
    }
    return try listing(of: path.parent)?.entries[path.name]
  }

  private func listing(of path: TreePath) throws(Fault) -> Listing? {
    while let last = listings.last, !path.isAtOrIn(last.path) { listings.removeLast() }
    if let last = listings.last, last.path == path { return last }
    guard let directory = try entry(at: path), directory.isDirectory else { return nil }
    let entries = try entries(of: directory.inode)
    let listing = Listing(path: path, entries: Dictionary(entries) { first, _ in first })
    listings.append(listing)
    return listing
  }

  private func inode(_ number: UInt32) throws(Fault) -> ext2_inode {
    var inode = ext2_inode()
    try checked("reading inode \(number)") { ext2fs_read_inode(raw, number, &inode) }
    return inode
  }
}

extension ExistingTree {
  /// Gives back all that the nodes do not keep.
  ///
  /// - Throws: `Fault`, also for a kept node that the old tree has not; `CancellationError`.
  func release(allBut nodes: inout any NodeSource) throws {
    while let node = try nodes.next() {
      try Cancellation.check()
      switch node.kind {
      case .kept:
        guard let entry = try entry(at: node.path) else { throw Fault.notThere(node.path) }
        kept[entry.inode, default: 0] += 1
        found.append(entry)
      case .directory:
        let entry = try entry(at: node.path).flatMap { $0.isDirectory ? $0 : nil }
        if let entry { reused.insert(entry.inode) }
        found.append(entry)
      default: break
      }
    }
    listings = []
    reused.insert(FilesystemHandle.rootInode)
    try release(directory: FilesystemHandle.rootInode)
    try releaseLinked()
  }

  /// Gives back a directory and what is in it. The recursion is as deep as the tree, which is ours.
  private func release(directory: UInt32) throws {
    try Cancellation.check()
    for (_, entry) in try entries(of: directory) where entry.inode != lostAndFound {
      if entry.isDirectory {
        if kept[entry.inode] == nil { try release(directory: entry.inode) }
      } else if try inode(entry.inode).i_links_count > 1 {
        met[entry.inode, default: 0] += 1
      } else if kept[entry.inode] == nil {
        try release(inode: entry.inode, isDirectory: false)
      }
    }
    try release(inode: directory, isDirectory: true)
  }

  /// Files that had several names have those in kept directories, and those that are kept themselves.
  private func releaseLinked() throws(Fault) {
    for (number, names) in met.sorted(by: { $0.key < $1.key }) {
      let before = try inode(number).i_links_count
      let links = before - min(names, before) + kept[number, default: 0]
      if links == 0 {
        try release(inode: number, isDirectory: false)
      } else if links != before {
        try filesystem.setLinks(links, of: number)
      }
    }
  }

  /// What is in a directory, but for `.` and `..`.
  private func entries(of directory: UInt32) throws(Fault) -> [(ArraySlice<UInt8>, Entry)] {
    var found: [(ArraySlice<UInt8>, Entry)] = []
    try withUnsafeMutablePointer(to: &found) { (found) throws(Fault) in
      try checked("listing inode \(directory)") {
        ext2fs_dir_iterate2(
          raw, directory, 0, nil,
          { _, kind, entry, _, _, _, found in
            guard kind == DIRENT_OTHER_FILE, let entry, let found else { return 0 }
            // The upper byte is the type (struct ext2_dir_entry_2).
            let (length, type) = (Int(entry.pointee.name_len & 0xff), UInt8(entry.pointee.name_len >> 8))
            let name = withUnsafeBytes(of: &entry.pointee.name) { Array($0.prefix(length)) }
            found.assumingMemoryBound(to: [(ArraySlice<UInt8>, Entry)].self).pointee
              .append((name[...], Entry(inode: entry.pointee.inode, type: type)))
            return 0
          }, found)
      }
    }
    return found
  }

  private func release(inode number: UInt32, isDirectory: Bool) throws(Fault) {
    var inode = try inode(number)
    var blocks = try blocks(of: number, &inode)
    let attributes = ext2fs_file_acl_block(raw, &inode)
    if attributes != 0 { blocks.append(attributes) }
    for block in blocks { ext2fs_block_alloc_stats2(raw, block, -1) }
    try clear(blocks)
    ext2fs_inode_alloc_stats2(raw, number, -1, isDirectory ? 1 : 0)
    try filesystem.write(ext2_inode_large(), number: number)
  }

  /// The blocks of an inode, those of its extent tree among them.
  private func blocks(of number: UInt32, _ inode: inout ext2_inode) throws(Fault) -> [UInt64] {
    guard ext2fs_inode_has_valid_blocks2(raw, &inode) != 0 else { return [] }
    var found: [UInt64] = []
    try withUnsafeMutablePointer(to: &found) { (found) throws(Fault) in
      try checked("listing the blocks of inode \(number)") {
        ext2fs_block_iterate3(
          raw, number, BLOCK_FLAG_READ_ONLY, nil,
          { _, block, _, _, _, found in
            guard let block, let found else { return 0 }
            found.assumingMemoryBound(to: [UInt64].self).pointee.append(block.pointee)
            return 0
          }, found)
      }
    }
    return found
  }
}

extension ExistingTree {
  /// The number of `lost+found`, which is the first that a filesystem of ours gives.
  var lostAndFound: UInt32 { UInt32(EXT2_GOOD_OLD_FIRST_INO) }

  /// What the old tree has at the place of the next kept node or directory.
  func nextEntry() -> Entry? {
    guard taken < found.count else { return nil }
    defer { taken += 1 }
    return found[taken]
  }

  /// A number that nothing has, the lowest first; nil when there is none.
  func freeInode(limit: UInt32) -> UInt32? {
    while lowestFree <= limit {
      defer { lowestFree += 1 }
      guard ext2fs_test_inode_bitmap2(raw.pointee.inode_map, lowestFree) == 0, !reused.contains(lowestFree)
      else {
        continue
      }
      return lowestFree
    }
    return nil
  }
}
