internal import Basics
internal import BuildPlan
internal import Ext4
internal import ImageModel

/// Nodes, each held against what the filesystem can have that it will be on.
///
/// All of it is known before a machine starts. What a filesystem's own tool or driver would say about it, it would say
/// late, and in other words on each.
struct FittingNodes: NodeSource {
  private let places: [(path: TreePath, limits: FilesystemLimits)]
  private var nodes: any NodeSource
  /// Paths on filesystems for which `a` and `A` are one name, folded.
  private var folded: [String: TreePath] = [:]

  /// - Parameter places: where filesystems are mounted, the root's among them.
  init(_ nodes: any NodeSource, on places: [MountedPlace]) {
    self.nodes = nodes
    // The deepest first.
    self.places = places.sorted { $0.components.count > $1.components.count }.compactMap { place in
      TreePath(place.path).map { ($0, FilesystemLimits(kind: place.kind)) }
    }
  }

  mutating func next() throws(Fault) -> Node? {
    guard var node = try nodes.next() else { return nil }
    guard let limits = places.first(where: { node.path.isAtOrIn($0.path) })?.limits else { return node }
    try limits.check(node)
    if limits.kind.names.isFAT {
      // It keeps none of the others, and its driver refuses these.
      node.attributes.mode &= 0o777
      let name = String(decoding: node.path.bytes, as: UTF8.self).uppercased()
      if let other = folded.updateValue(node.path, forKey: name) {
        throw .unfit(node.path, "FAT takes it and '\(other)' for one name; rename one of them")
      }
    }
    return node
  }
}

/// What one kind of filesystem can hold of a tree. ext4's own limits are checked where it is poured: everything passes
/// through one.
struct FilesystemLimits: Sendable {
  let kind: FilesystemKind

  func check(_ node: Node) throws(Fault) {
    let length = node.path.names.last?.count ?? 0
    guard length <= kind.names.nameLimit else {
      throw .unfit(
        node.path,
        "its name has \(length) bytes, and mkfs.\(kind.rawValue) takes names of up to \(kind.names.nameLimit); "
          + "use another fsType, such as squashfs")
    }
    if case .symbolicLink(let target) = node.kind, let limit = kind.names.targetLimit, target.count > limit {
      throw .unfit(
        node.path,
        "its target has \(target.count) bytes, and \(kind.rawValue) links hold \(limit); "
          + "use another fsType, such as ext4")
    }
    if kind.names.isFAT { try checkFAT(node) }
  }

  private func checkFAT(_ node: Node) throws(Fault) {
    switch node.kind {
    case .symbolicLink:
      throw .unfit(node.path, "FAT has no symbolic links; give what it leads to")
    case .file(.host(let file)) where file.size > UInt64(UInt32.max):
      throw .unfit(node.path, "it has \(file.size) bytes, and a file on FAT has less than 4 GiB")
    default: break
    }
    guard node.attributes.owner == 0, node.attributes.group == 0 else {
      throw .unfit(node.path, "FAT has no owners; leave out its user and group")
    }
    guard let name = node.path.names.last else { return }
    guard let text = String(validating: name, as: UTF8.self), text.utf16.count <= 255,
      !text.unicodeScalars.contains(where: { $0.value < 0x20 || "\"*:<>?\\|".unicodeScalars.contains($0) }),
      text.last != ".", text.last != " "
    else {
      throw .unfit(
        node.path,
        "FAT has no such name; use UTF-8 without control characters and \"*:<>?\\|, and no '.' or ' ' at "
          + "its end")
    }
  }
}
