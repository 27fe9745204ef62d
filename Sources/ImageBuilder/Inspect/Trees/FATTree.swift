internal import ImageModel
internal import ImageReading

/// The files of a FAT filesystem. It does not tell upper from lower case.
final class FATTree: ReadableTree {
  let filesystem: FATFilesystem
  /// Folders that were read, by their path in upper case: entries by their name in upper case.
  private var folders: [String: [String: FATEntry]] = [:]
  /// The clusters of the file that was read last: a file is read in pieces.
  private var lastChain: (path: String, clusters: [UInt64])?

  /// - Throws: `UnreadableStructure`, and what reading throws.
  init(_ disk: ImageBytes) throws {
    filesystem = try FATFilesystem(disk)
  }

  func node(_ path: String) throws -> TreeNode? {
    guard path != "/" else { return TreeNode(kind: .folder) }
    guard let entry = try entry(path) else { return nil }
    return TreeNode(kind: entry.isDirectory ? .folder : .file, size: entry.isDirectory ? 0 : entry.size)
  }

  func names(in path: String) throws -> [String] { try entries(of: path).values.map(\.name) }

  func content(_ path: String, at offset: UInt64, count: Int) throws -> [UInt8] {
    guard let entry = try entry(path) else { return [] }
    if lastChain?.path != path { lastChain = (path, try filesystem.chain(of: entry)) }
    return try filesystem.content(of: entry, lastChain?.clusters ?? [], at: offset, count: count)
  }

  private func entry(_ path: String) throws -> FATEntry? {
    guard let slash = path.lastIndex(of: "/") else { return nil }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    return try entries(of: folder)[path[path.index(after: slash)...].uppercased()]
  }

  private func entries(of path: String) throws -> [String: FATEntry] {
    let key = path.uppercased()
    if let known = folders[key] { return known }
    var entries: [FATEntry] = []
    if path == "/" {
      entries = try filesystem.rootEntries()
    } else if let entry = try entry(path), entry.isDirectory {
      entries = try filesystem.entries(filesystem.chain(of: entry))
    }
    let named = entries.filter { !$0.isDot && !$0.isLabel }.map { ($0.name.uppercased(), $0) }
    // Of two with one name, drivers find the first.
    let found = Dictionary(named, uniquingKeysWith: { first, _ in first })
    folders[key] = found
    return found
  }
}
