internal import BuildPlan
internal import Ext4
internal import Foundation
internal import NixStore
internal import SystemPackage

/// The spec's `contents` and `extraFiles` as trees of the host, each with its place in the image.
struct HostContents: Sendable {
  private struct Item {
    var source: FilePath
    var target: TreePath
    var mode: UInt16?
  }

  private let items: [Item]
  private let parents: [TreePath]

  /// Finds the sources.
  ///
  /// - Throws: `SpecError` for a source that is not there, two that would be the same path, or an extra file that is
  ///   in the store.
  init(
    _ contents: [ContentEntry], extraFiles: [ContentEntry] = [], store: StoreLocation = StoreLocation(),
    key: (ContentEntry) -> String = { _ in "contents" }
  ) throws(SpecError) {
    var places: [(key: String, mode: UInt16?, source: FilePath, target: String)] = []
    for entry in contents {
      for (source, target) in try Self.places(of: entry, key(entry)) {
        places.append((key(entry), entry.mode, source, target))
      }
    }
    for entry in extraFiles {
      for (source, target) in try Self.places(of: entry, "extraFiles") {
        places.append(("extraFiles", entry.mode, try Self.outsideStore(source, store), target))
      }
    }
    var items: [Item] = []
    var parents: Set<TreePath> = []
    for (key, mode, source, target) in places {
      guard let path = TreePath(target) else {
        throw SpecError(key, "'\(target)' cannot be a path", remedy: "Use shorter names")
      }
      guard !items.contains(where: { $0.target == path }) else {
        throw SpecError(key, "two sources are '\(target)'", remedy: "Leave one of them out")
      }
      items.append(Item(source: source, target: path, mode: mode))
      let names = target.split(separator: "/")
      for count in 0..<names.count {
        if let parent = TreePath(names.prefix(count).joined(separator: "/")) { parents.insert(parent) }
      }
    }
    self.items = items
    self.parents = parents.subtracting(items.map(\.target)).sorted()
  }

  /// The trees, and after them the folders on the way to each: where a tree has the folder itself, the tree's counts.
  ///
  /// As rsync does for make-disk-image: modes and times are the source's, owners root's, attributes stay behind.
  func sources(time: Timestamp) -> [any NodeSource] {
    let trees = items.map { item in
      ContentNodes(
        tree: FileTree(
          [FileTree.Root(host: item.source, path: item.target)],
          rules: FileTree.Rules(owner: FileTree.Owner(user: 0, group: 0), keepsAttributes: false)),
        mode: item.mode)
    }
    let folders = parents.map { path in
      Node(path: path, kind: .directory, attributes: Attributes(mode: 0o755, time: time))
    }
    return trees + [ListedNodes(folders)]
  }

  private static func places(
    of entry: ContentEntry, _ key: String
  ) throws(SpecError) -> [(FilePath, String)] {
    guard entry.isPattern else {
      let source = FilePath(entry.source)
      guard FileSystem.exists(source) else { throw missing(entry.source, key) }
      return [(source, entry.target)]
    }
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(entry.source, 0, nil, &found) == 0 else { throw missing(entry.source, key) }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      guard let path = found.gl_pathv[index] else { return nil }
      let source = FilePath(platformString: path)
      return source.lastComponent.map { (source, entry.target + "/" + $0.string) }
    }
  }

  /// The file that a path leads to: a secret's name is often a link. Everybody may read the store.
  private static func outsideStore(_ source: FilePath, _ store: StoreLocation) throws(SpecError) -> FilePath {
    guard let path = realpath(source.string, nil) else { throw missing(source.string, "extraFiles") }
    defer { free(path) }
    let file = FilePath(platformString: path)
    guard !file.starts(with: FilePath("\(store.directory)")) else {
      throw SpecError(
        "extraFiles", "'\(source)' is in the Nix store, where everybody can read it",
        remedy: "Keep a secret out of the store; use contents for what is none")
    }
    return file
  }

  private static func missing(_ source: String, _ key: String) -> SpecError {
    SpecError(key, "there is no '\(source)'", remedy: "Check the source's path")
  }
}

/// A tree of the host whose modes may be set.
private struct ContentNodes: NodeSource {
  var tree: FileTree
  let mode: UInt16?

  mutating func next() throws(Ext4Error) -> Node? {
    guard var node = try tree.next() else { return nil }
    // Nobody has looked at an image's content before it is made, and a copy has the time of its content.
    node.attributes.accessed = node.attributes.modified
    node.attributes.changed = node.attributes.modified
    guard let mode else { return node }
    switch node.kind {
    case .symbolicLink: break
    // A folder that may be read may be entered.
    case .directory: node.attributes.mode = mode | (mode & 0o444) >> 2
    default: node.attributes.mode = mode
    }
    return node
  }
}
