internal import AgentProtocol
internal import Basics
internal import Ext4
internal import SystemPackage

/// One record of a handover.
enum HandoverRecord {
  case tree(UInt32)
  case node(Node)
  /// Bytes of a disk, and where they are in the archive.
  case region(UInt32, Range<UInt64>)
  case end
}

/// The records of a handover, one after another, each checked by itself and against those before it.
struct HandoverRecords {
  /// A file cannot have more names on ext4 (EXT4_LINK_MAX).
  private static let linkLimit = 65_000
  private static let pathLimit = 4096
  private static let targetLimit = 4095
  /// An inode's attributes are in it and in one block of ext4.
  private static let attributeLimit = 4096
  private static let attributeCountLimit = 64
  /// The largest file, in bytes: 2^32 blocks of ext4.
  private static let sizeLimit: UInt64 = 1 << 44
  private static let pieceLimit: UInt32 = 1 << 20

  private let file: FilePath
  private let stream: HandoverStream
  /// Later times become this one, in seconds since 1970.
  private let latest: Int64
  private var tree: UInt32 = 0
  private var order = TreeOrder()
  /// Names of each group of links so far.
  private var links: [UInt64: Int] = [:]

  /// - Parameter start: the number of the tree that the first records belong to.
  init(_ file: FilePath, _ range: Range<UInt64>, latest: Int64, tree: UInt32 = 0) throws(Fault) {
    self.file = file
    stream = try HandoverStream(file, range)
    self.latest = latest
    self.tree = tree
  }

  /// Where the next record begins.
  var position: UInt64 { stream.position }
  /// Whether anything is left.
  var isAtEnd: Bool { stream.left == 0 }

  /// - Throws: `Fault` for a record that breaks a rule.
  mutating func next() throws(Fault) -> HandoverRecord {
    let start = stream.position
    guard let kind = Handover.Kind(rawValue: try stream.byte()) else {
      throw .handover(at: start, "the kind of the record is not known")
    }
    switch kind {
    case .end: return .end
    case .tree:
      tree = try stream.number(UInt32.self)
      (order, links) = (TreeOrder(), [:])
      return .tree(tree)
    case .region:
      let number = try stream.number(UInt32.self)
      let length = try stream.number(UInt64.self)
      let begin = stream.position
      try stream.skip(length)
      return .region(number, begin..<begin + length)
    case .kept, .link, .directory, .file, .symbolicLink, .fifo, .socket:
      return .node(try node(kind, start))
    }
  }

  private mutating func node(_ kind: Handover.Kind, _ start: UInt64) throws(Fault) -> Node {
    let path = try path(start)
    if let problem = order.problem(with: path, isDirectory: kind == .directory) {
      throw .handover(at: start, "\(path): \(problem)")
    }
    let none = Attributes(mode: 0, time: Timestamp(seconds: 0))
    switch kind {
    case .kept: return Node(path: path, kind: .kept, attributes: none)
    case .link:
      let group = try stream.number(UInt64.self)
      guard let names = links[group], names < Self.linkLimit else {
        throw .handover(
          at: start,
          "\(path): it is another name of a file that did not come before, or that has too many names")
      }
      links[group] = names + 1
      return Node(path: path, kind: .file(.bytes([])), attributes: none, linkGroup: linkGroup(group))
    default: break
    }
    let attributes = try attributes(path, start)
    switch kind {
    case .directory: return Node(path: path, kind: .directory, attributes: attributes)
    case .fifo: return Node(path: path, kind: .fifo, attributes: attributes)
    case .socket: return Node(path: path, kind: .socket, attributes: attributes)
    case .symbolicLink:
      let target = try stream.bytes(Int(try stream.number(UInt16.self)))
      guard !target.isEmpty, target.count <= Self.targetLimit, !target.contains(0) else {
        throw .handover(at: start, "\(path): its target is not valid")
      }
      return Node(path: path, kind: .symbolicLink(target: target), attributes: attributes)
    default:
      let group = try stream.number(UInt64.self)
      let parts = try parts(path, start)
      if group != 0 {
        guard links.updateValue(1, forKey: group) == nil else {
          throw .handover(at: start, "\(path): another file has its number")
        }
      }
      return Node(
        path: path, kind: .file(.parts(parts)), attributes: attributes,
        linkGroup: group == 0 ? nil : linkGroup(group))
    }
  }

  private func linkGroup(_ number: UInt64) -> LinkGroup {
    LinkGroup(scope: Int(tree), device: 0, inode: number)
  }

  private func path(_ start: UInt64) throws(Fault) -> TreePath {
    let length = Int(try stream.number(UInt16.self))
    guard length <= Self.pathLimit else { throw .handover(at: start, "a path has \(length) bytes") }
    let bytes = try stream.bytes(length)
    // Nothing that a path could be spelt in two ways with.
    guard let path = TreePath(bytes: bytes), path.bytes == bytes else {
      throw .handover(at: start, "\(TreePath.description(of: bytes)) is no path inside a tree")
    }
    return path
  }

  private func attributes(_ path: TreePath, _ start: UInt64) throws(Fault) -> Attributes {
    let mode = try stream.number(UInt16.self)
    guard mode <= 0o7777 else { throw .handover(at: start, "\(path): its mode is not a file mode") }
    let (user, group) = (try stream.number(UInt32.self), try stream.number(UInt32.self))
    let (seconds, nanoseconds) = (try stream.number(Int64.self), try stream.number(UInt32.self))
    guard nanoseconds < 1_000_000_000 else { throw .handover(at: start, "\(path): its time is not valid") }
    let fixed = Timestamp(seconds: latest)
    var attributes = Attributes(mode: mode, owner: user, group: group, time: fixed)
    if seconds < latest { attributes.modified = Timestamp(seconds: seconds, nanoseconds: nanoseconds) }
    attributes.extended = try extended(path, start)
    return attributes
  }

  private func extended(_ path: TreePath, _ start: UInt64) throws(Fault) -> [ExtendedAttribute] {
    let count = Int(try stream.number(UInt16.self))
    guard count <= Self.attributeCountLimit else {
      throw .handover(at: start, "\(path): it has \(count) extended attributes")
    }
    var attributes: [ExtendedAttribute] = []
    for _ in 0..<count {
      let bytes = try stream.bytes(Int(try stream.byte()))
      let length = try stream.number(UInt32.self)
      guard length <= Self.attributeLimit, let name = String(validating: bytes, as: UTF8.self),
        !bytes.contains(0),
        !attributes.contains(where: { $0.name == name })
      else { throw .handover(at: start, "\(path): one of its extended attributes is not valid") }
      attributes.append(ExtendedAttribute(name: name, value: try stream.bytes(Int(length))))
    }
    return attributes
  }

  /// What a file has: the pieces, whose bytes follow.
  private func parts(_ path: TreePath, _ start: UInt64) throws(Fault) -> FileParts {
    let size = try stream.number(UInt64.self)
    let count = try stream.number(UInt32.self)
    guard size <= Self.sizeLimit, count <= Self.pieceLimit, UInt64(count) * 16 <= stream.left else {
      throw .handover(at: start, "\(path): it has \(size) bytes in \(count) pieces")
    }
    var pieces: [FileParts.Piece] = []
    var (covered, length): (UInt64, UInt64) = (0, 0)
    for _ in 0..<count {
      let piece = FileParts.Piece(
        position: try stream.number(UInt64.self), offset: length, length: try stream.number(UInt64.self))
      guard piece.length > 0, piece.position >= covered, piece.position <= size,
        piece.length <= size - piece.position
      else { throw .handover(at: start, "\(path): its pieces lie over one another, or beyond its end") }
      covered = piece.position + piece.length
      // No sum of pieces that lie side by side within the size is larger than it.
      length += piece.length
      pieces.append(piece)
    }
    let begin = stream.position
    try stream.skip(length)
    for index in pieces.indices { pieces[index].offset += begin }
    return FileParts(path: file, size: size, pieces: pieces)
  }
}

/// The order of a tree's nodes, and that each is in a directory that came before it.
private struct TreeOrder {
  private var previous: TreePath?
  private var open: [TreePath] = []

  /// Takes the next path; what is wrong with it, or nil.
  mutating func problem(with path: TreePath, isDirectory: Bool) -> String? {
    guard let previous else {
      guard path == .root, isDirectory else { return "a tree begins with its root" }
      (self.previous, open) = (path, [path])
      return nil
    }
    guard previous < path else { return "it is out of order, or twice there" }
    while let last = open.last, !path.isAtOrIn(last) { open.removeLast() }
    guard let last = open.last, path.names(below: last)?.count == 1 else { return "it is in no directory" }
    self.previous = path
    if isDirectory { open.append(path) }
    return nil
  }
}
