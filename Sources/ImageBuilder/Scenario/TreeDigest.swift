internal import Basics
internal import Crypto

/// What a filesystem holds, by the SHA-256 of each file: where nothing of it differs, no file has changed, come or gone.
struct TreeDigest: Hashable, Sendable {
  /// What each path has: a digest, or what it is.
  private var contents: [String: String] = [:]

  /// More than any boot partition has.
  private static let mostFiles = 20_000
  private static let mostLevels = 32
  private static let pieceSize = 4 << 20

  /// Reads all of it.
  ///
  /// - Parameter excluded: paths that are left out, with what is below them.
  /// - Throws: `Fault` for one with more files than a boot partition has; `UnreadableStructure`, and what reading throws.
  init(of tree: any ReadableTree, except excluded: [String]) throws {
    try add("", tree, except: Set(excluded.map { $0.lowercased() }), level: 0)
  }

  private mutating func add(
    _ folder: String, _ tree: any ReadableTree, except excluded: Set<String>, level: Int
  )
    throws
  {
    for name in try tree.names(in: folder.isEmpty ? "/" : folder) {
      try Cancellation.check()
      let path = "\(folder)/\(name)"
      guard !excluded.contains(path.lowercased()), let node = try tree.node(path) else { continue }
      guard contents.count < Self.mostFiles, level < Self.mostLevels else {
        throw Fault(
          .badInput, "the partition has more files than can be remembered", remedy: "Name a boot partition")
      }
      switch node.kind {
      case .file: contents[path] = try Self.sha256(of: path, node.size, tree)
      case .folder:
        contents[path] = "a folder"
        try add(path, tree, except: excluded, level: level + 1)
      case .link(let target): contents[path] = "a link to \(target)"
      case .other: contents[path] = "a special file"
      }
    }
  }

  /// In lower-case hexadecimal.
  static func sha256(of path: String, _ size: UInt64, _ tree: any ReadableTree) throws -> String {
    var hash = SHA256()
    var offset: UInt64 = 0
    while offset < size {
      try Cancellation.check()
      let piece = try tree.content(path, at: offset, count: Int(min(size - offset, UInt64(pieceSize))))
      guard !piece.isEmpty else {
        throw Fault(.failed, "a file of the image is cut short: \(TerminalText.escaped(path))")
      }
      hash.update(data: piece)
      offset += UInt64(piece.count)
    }
    return Hexadecimal.text(hash.finalize())
  }

  /// What is different from an earlier state, a line a path; escaped.
  func differences(from earlier: TreeDigest) -> [String] {
    Set(contents.keys).union(earlier.contents.keys).sorted().compactMap { path in
      let (before, now) = (earlier.contents[path], contents[path])
      guard before != now else { return nil }
      let word = before == nil ? "added" : now == nil ? "removed" : "changed"
      return "\(word): \(TerminalText.escaped(path))"
    }
  }

  /// How many files and folders there are.
  var count: Int { contents.count }
}
