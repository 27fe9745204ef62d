internal import ImageReading

/// What a path of a filesystem leads to.
struct TreeNode: Hashable {
  enum Kind: Hashable {
    case file, folder, other
    case link(target: String)
  }

  var kind: Kind
  /// Bytes of a file.
  var size: UInt64 = 0
  /// When it was modified, in seconds since 1970; nil where the filesystem does not say it in UTC.
  var time: Int64?
}

/// A filesystem of an image, read by paths. None of what it says is trusted.
///
/// Paths begin with a slash, and those that a filesystem is asked for have no links in them but the last component.
protocol ReadableTree: AnyObject {
  /// - Returns: nil for a path that is not there.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func node(_ path: String) throws -> TreeNode?

  /// The names in a folder; names that are not UTF-8 are left out.
  ///
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func names(in path: String) throws -> [String]

  /// A part of a file's content; fewer bytes at its end.
  ///
  /// - Parameter count: bytes, at most 16 MiB.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func content(_ path: String, at offset: UInt64, count: Int) throws -> [UInt8]
}

extension ReadableTree {
  /// As many links as Linux follows (`MAXSYMLINKS`).
  private static var mostLinks: Int { 40 }
  /// More names than any path has, links followed.
  private static var mostNames: Int { 2048 }
  /// More folders than any file is in.
  private static var mostLevels: Int { 256 }

  /// Follows links, those that lead out of the filesystem's root included as far as a chroot would.
  ///
  /// - Parameter mountPoint: where the running system has the filesystem, for what absolute links say: "" for its root.
  /// - Returns: the path without links and what it leads to; nil for one that leads nowhere.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func resolve(_ path: String, mountPoint: String = "") throws -> (path: String, node: TreeNode)? {
    var pending = Array(path.split(separator: "/").map(String.init).reversed())
    var known: [String] = []
    var node = TreeNode(kind: .folder)
    var links = 0
    var names = 0
    while let name = pending.popLast() {
      names += 1
      guard names <= Self.mostNames, known.count < Self.mostLevels else { return nil }
      if name == "." { continue }
      if name == ".." {
        _ = known.popLast()
        node = TreeNode(kind: .folder)
        continue
      }
      guard node.kind == .folder, let next = try self.node("/" + (known + [name]).joined(separator: "/"))
      else {
        return nil
      }
      guard case .link(let target) = next.kind else {
        known.append(name)
        node = next
        continue
      }
      links += 1
      guard links <= Self.mostLinks, target.utf8.count <= 4096 else { return nil }
      var rest = target
      if target.hasPrefix("/") {
        guard target.hasPrefix(mountPoint) else { return nil }
        rest = String(target.dropFirst(mountPoint.count))
        known = []
        node = TreeNode(kind: .folder)
      }
      pending += rest.split(separator: "/").map(String.init).reversed()
    }
    return ("/" + known.joined(separator: "/"), node)
  }

  /// The content of a file, links followed.
  ///
  /// - Parameter limit: the most bytes that are read.
  /// - Returns: nil for what is no file, or a larger one.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func file(_ path: String, mountPoint: String = "", limit: Int) throws -> [UInt8]? {
    guard let found = try resolve(path, mountPoint: mountPoint), found.node.kind == .file,
      found.node.size <= UInt64(limit)
    else { return nil }
    var content: [UInt8] = []
    while content.count < Int(found.node.size) {
      let count = min(Int(found.node.size) - content.count, 4 << 20)
      let piece = try self.content(found.path, at: UInt64(content.count), count: count)
      guard !piece.isEmpty else {
        throw UnreadableStructure("'\(printableName(Array(path.utf8)))' is cut short")
      }
      content += piece
    }
    return content
  }

  /// The names in a folder, sorted, links followed; none where there is no such folder.
  ///
  /// - Throws: `UnreadableStructure`, and what reading throws.
  func sortedNames(in path: String, mountPoint: String = "") throws -> [String] {
    guard let found = try resolve(path, mountPoint: mountPoint), found.node.kind == .folder else { return [] }
    return try names(in: found.path).sorted()
  }
}
