internal import AgentProtocol
internal import Basics
internal import Ext4

/// The trees that are sealed: those that were handed over, changed by the rules.
struct SealedTrees: Sendable {
  private let archive: HandoverArchive
  /// What each tree has otherwise, by its number.
  private let edits: [[TreePath: SealRule.Edit.Kind]]
  /// What the rules have changed, or had to leave.
  let changed: [SealRule.Edit]

  /// Looks at the files that rules are for, and applies these.
  ///
  /// - Parameter places: where each tree is mounted.
  /// - Throws: `Fault`; `CancellationError`.
  init(_ archive: HandoverArchive, at places: [String], rules: [SealRule] = SealRule.all) throws {
    self.archive = archive
    let wanted = places.map { Self.paths(of: rules, below: $0, among: places) }
    var files: [String: FileParts] = [:]
    for (number, paths) in wanted.enumerated() where !paths.isEmpty {
      var nodes = try archive.nodes(ofTree: number)
      while let node = try nodes.next() {
        try Cancellation.check()
        // A file with several names is not as the system writes it.
        guard let path = paths[node.path], case .file(.parts(let parts)) = node.kind, node.linkGroup == nil
        else {
          continue
        }
        files[path] = parts
      }
    }
    let handed = HandedFiles(files)
    changed = try rules.flatMap { try $0.edits(handed) }.filter { edit in
      guard case .content(let bytes) = edit.kind else { return true }
      return try files[edit.path].map { try $0.size != bytes.count || $0.bytes() != bytes } ?? false
    }
    let kinds = Dictionary(changed.map { ($0.path, $0.kind) }, uniquingKeysWith: { first, _ in first })
    edits = wanted.map { paths in
      Dictionary(uniqueKeysWithValues: paths.compactMap { path, name in kinds[name].map { (path, $0) } })
    }
  }

  /// The nodes of a tree, in order.
  func nodes(ofTree number: Int) throws(Fault) -> SealedNodes {
    SealedNodes(nodes: try archive.nodes(ofTree: number), edits: edits[number])
  }

  /// The paths that rules look at in the tree of one place, and their paths in the image.
  private static func paths(
    of rules: [SealRule], below place: String, among places: [String]
  ) -> [TreePath: String] {
    func holder(of path: TreePath) -> String? {
      places.filter { TreePath($0).map { path != $0 && path.isAtOrIn($0) } ?? false }.max {
        $0.utf8.count < $1.utf8.count
      }
    }
    let paths = rules.flatMap(\.paths).compactMap { path -> (TreePath, String)? in
      guard let whole = TreePath(path), holder(of: whole) == place, let mount = TreePath(place),
        let names = whole.names(below: mount)
      else { return nil }
      return TreePath(bytes: names.joined(separator: [UInt8(ascii: "/")])).map { ($0, path) }
    }
    return Dictionary(paths, uniquingKeysWith: { first, _ in first })
  }
}

/// The nodes of one tree that is sealed.
struct SealedNodes: NodeSource {
  fileprivate var nodes: HandedNodes
  fileprivate let edits: [TreePath: SealRule.Edit.Kind]

  mutating func next() throws(Fault) -> Node? {
    while var node = try nodes.next() {
      switch edits.isEmpty ? nil : edits[node.path] {
      case .removed: continue
      case .content(let bytes): node.kind = .file(.bytes(bytes))
      case .unruled, nil: break
      }
      return node
    }
    return nil
  }
}
