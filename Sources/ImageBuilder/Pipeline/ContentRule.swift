internal import Basics
internal import BuildPlan
internal import Ext4

/// The one decision of what becomes of a content's type, mode, owner and times, for every root filesystem: what is
/// copied in the guest is copied from what is poured by this.
struct ContentRule: Sendable {
  /// What becomes of the permission bits; nil keeps the source's.
  let mode: ContentMode?
  let owner: FileTree.Owner
  /// Which names may be one inode: those of one entry.
  let links: FileTree.HardLinks

  init(_ content: PlannedContent, index: Int) {
    mode = content.entry.mode
    let (user, group) = content.owner.poured
    owner = FileTree.Owner(user: user, group: group)
    links = .within(index)
  }

  /// What is taken over of a tree of the host. Extended attributes stay behind, as with rsync in make-disk-image.
  ///
  /// - Parameter inStore: whether it is of a Nix store, and no more of it counts than an archive would say.
  func rules(inStore: Bool) -> FileTree.Rules {
    var rules =
      inStore
      ? FileTree.Rules.storeObjects
      : FileTree.Rules(keepsAttributes: false, hardLinks: links, takesSpecialFiles: false)
    rules.owner = owner
    return rules
  }

  /// The node as it will be in the image.
  ///
  /// - Parameter latest: what later times become.
  func node(for found: Node, latest: Timestamp) -> Node {
    var node = found
    // When somebody changed its mode or looked at it on this machine is nothing of the content.
    node.attributes.accessed = latest
    node.attributes.changed = latest
    if node.attributes.modified.seconds >= latest.seconds { node.attributes.modified = latest }
    guard let mode else { return node }
    switch node.kind {
    case .symbolicLink: break
    case .directory: node.attributes.mode = mode.bits(of: node.attributes.mode, isFolder: true)
    default: node.attributes.mode = mode.bits(of: node.attributes.mode, isFolder: false)
    }
    return node
  }

  /// A file of bytes that were read from a stream.
  func node(at path: TreePath, bytes: [UInt8], mode found: UInt16, time: Timestamp) -> Node {
    node(
      for: Node(
        path: path, kind: .file(.bytes(bytes)),
        attributes: Attributes(mode: found, owner: owner.user, group: owner.group, time: time)), latest: time)
  }
}

/// A tree of the host as a rule makes it.
struct ContentNodes: NodeSource {
  var tree: FileTree
  let rule: ContentRule
  /// What later times become.
  let latest: Timestamp

  mutating func next() throws(Fault) -> Node? {
    try tree.next().map { rule.node(for: $0, latest: latest) }
  }
}
