internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import CLinux
internal import Ext4
internal import Foundation
internal import NixStore
internal import SystemPackage

/// The spec's `contents` and `extraFiles` as trees of the host, each with its place in the image.
struct HostContents: Sendable {
  private struct Item {
    var source: ContentSource
    var target: TreePath
    var inStore: Bool
  }

  /// What one entry brings.
  private struct Entry {
    var rule: ContentRule
    var items: [Item]
  }

  private let entries: [Entry]
  private let parents: [TreePath]

  /// Finds the sources, and reads those that can be read only once. Blocks no thread of the pool.
  ///
  /// - Throws: `SpecError` for a source that is not there or cannot be a content, two that would be the same path,
  ///   or a secret that is in the store; `CancellationError`.
  init(_ contents: [PlannedContent], store: StoreLocation = StoreLocation()) async throws {
    self = try await onThread { try HostContents(finding: contents, store) }
  }

  private init(finding contents: [PlannedContent], _ store: StoreLocation) throws {
    let finder = ContentFinder(store: store)
    var entries: [Entry] = []
    var seen: Set<TreePath> = []
    for (index, content) in contents.enumerated() {
      var entry = Entry(rule: ContentRule(content, index: index), items: [])
      for place in try finder.places(of: content) {
        guard seen.insert(place.target).inserted else {
          throw SpecError(
            content.key, "two sources are '\(place.target)'", remedy: "Leave one of them out")
        }
        entry.items.append(Item(source: place.source, target: place.target, inStore: place.inStore))
      }
      entries.append(entry)
    }
    self.entries = entries
    parents = Set(seen.flatMap(\.parents)).subtracting(seen).sorted()
  }

  /// The trees, and after them the folders on the way to each: where a tree has the folder itself, the tree's counts.
  ///
  /// - Parameter time: that of everything that no file of the host has, and the latest of any.
  func sources(time: Timestamp) -> [any NodeSource] {
    let folders = parents.map { path in
      Node(path: path, kind: .directory, attributes: Attributes(mode: 0o755, time: time))
    }
    return entries.flatMap { sources(of: $0, time) } + [ListedNodes(folders)]
  }

  private func sources(of entry: Entry, _ time: Timestamp) -> [any NodeSource] {
    func tree(inStore: Bool) -> [any NodeSource] {
      let roots: [FileTree.Root] = entry.items.compactMap { item in
        guard case .tree(let host, _) = item.source, item.inStore == inStore else { return nil }
        return FileTree.Root(host: host, path: item.target)
      }
      guard !roots.isEmpty else { return [] }
      return [
        ContentNodes(
          tree: FileTree(roots, rules: entry.rule.rules(inStore: inStore)), rule: entry.rule, latest: time)
      ]
    }
    let streams: [Node] = entry.items.compactMap { item in
      guard case .stream(let bytes, let mode) = item.source else { return nil }
      return entry.rule.node(at: item.target, bytes: bytes, mode: mode, time: time)
    }
    return tree(inStore: false) + tree(inStore: true) + (streams.isEmpty ? [] : [ListedNodes(streams)])
  }

  /// Paths of one machine's state that the contents bring, on the root and on other filesystems.
  func machineState(on mounts: [MountedPlace]) -> [String] {
    (["/"] + mounts.map { $0.path + "/" })
      .flatMap { place in InstallStep.machineState.map { place + $0 } }
      .filter { TreePath($0).map(bring) == true }
  }

  /// What the contents take of filesystems, by the places where these are mounted.
  ///
  /// - Throws: `Fault` for what cannot be looked at; `CancellationError`.
  func sizes(on mounts: [MountedPlace]) throws -> [String: ContentSizes] {
    let places = mounts.sorted { $0.components.count > $1.components.count }
      .compactMap { mount in TreePath(mount.path).map { (path: $0, name: mount.path) } }
    let targets = entries.flatMap(\.items).map(\.target)
    var found: [String: ContentSizes] = [:]
    guard
      places.contains(where: { place in
        targets.contains { $0.isAtOrIn(place.path) || place.path.isAtOrIn($0) }
      })
    else { return found }
    var nodes = MergedNodes(sources(time: Timestamp(seconds: 0)))
    while let node = try nodes.next() {
      try Cancellation.check()
      guard let place = places.first(where: { node.path.isAtOrIn($0.path) }) else { continue }
      switch node.kind {
      case .file(let content): found[place.name, default: ContentSizes()].addFile(content.size)
      case .directory where node.path != place.path:
        found[place.name, default: ContentSizes()].addDirectory()
      default: break
      }
    }
    return found
  }

  /// Whether a content is at this path, or a folder of theirs has it.
  func bring(_ path: TreePath) -> Bool {
    entries.contains { entry in
      entry.items.contains { item in
        guard item.target != path else { return true }
        guard case .tree(let host, true) = item.source, let rest = path.names(below: item.target) else {
          return false
        }
        return HostFiles.exists(rest.reduce(host) { $0.appending(bytes: $1) })
      }
    }
  }
}

/// Finds what a spec's entries name.
private struct ContentFinder {
  typealias Place = (source: ContentSource, target: TreePath, inStore: Bool)

  let store: StoreLocation

  func places(of content: PlannedContent) throws -> [Place] {
    let (entry, key) = (content.entry, content.key)
    guard entry.isPattern else {
      return [try place(of: FilePath(entry.source), content, byName: entry.takesFilesByName)]
    }
    do {
      return try FilePath.matching(entry.source).map { try place(of: $0, content, byName: true) }
    } catch let error as Errno {
      guard error != .noSuchFileOrDirectory, error != .notDirectory else {
        throw SpecError(key, "there is no '\(entry.source)'", remedy: "Check the source's path")
      }
      throw SpecError(
        key, "what '\(entry.source)' matches cannot be listed: \(error)",
        remedy: "Make its folders readable for this user")
    }
  }

  /// - Parameter byName: whether the target is a folder that it goes into. A folder does only by a pattern.
  private func place(
    of path: FilePath, _ content: PlannedContent, byName: Bool
  ) throws -> Place {
    let source = try ContentSource(path, key: content.key)
    var (isFolder, inStore) = (false, false)
    var name = path.nameBytes
    if case .tree(let real, let folder) = source {
      (isFolder, inStore) = (folder, isInStore(real))
      name = name ?? real.nameBytes
    }
    guard !(content.isSecret && inStore) else {
      throw SpecError(
        content.key, "'\(path)' is in the Nix store, where everybody can read it",
        remedy: "Keep a secret out of the store, or use contents for a file that is not secret")
    }
    var bytes = Array(content.entry.target.utf8)
    if byName, !isFolder || content.entry.isPattern { bytes += [UInt8(ascii: "/")] + (name ?? []) }
    guard let target = TreePath(bytes: bytes) else {
      throw SpecError(
        content.key, "'\(TreePath.description(of: bytes))' cannot be a path", remedy: "Use shorter names")
    }
    try ContentEntry.checkPlace(target.names, target.description, content.key)
    return (source, target, inStore)
  }

  private func isInStore(_ path: FilePath) -> Bool {
    let folder = FilePath("\(store.directory)")
    guard !path.starts(with: folder) else { return true }
    // The store itself may be reached by links.
    guard let real = folder.withPlatformString({ realpath($0, nil) }) else { return false }
    defer { free(real) }
    return path.starts(with: FilePath(platformString: real))
  }
}
