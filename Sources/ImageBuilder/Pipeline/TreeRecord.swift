internal import Basics
internal import Ext4
internal import Synchronization
internal import SystemPackage

/// What is known of each path that is sealed, in few bytes: what two builds are compared by.
final class TreeRecord: Sendable {
  /// One path. Each field has the name that people read of it.
  struct Entry: Hashable, Sendable {
    var type: String
    var content: UInt64
    var attributes: Attributes

    /// What another entry has otherwise.
    func difference(from other: Entry) -> [String] {
      guard type == other.type else { return ["type"] }
      let (own, others) = (attributes, other.attributes)
      return [
        ("content", content == other.content), ("mode", own.mode == others.mode),
        ("owner", own.owner == others.owner && own.group == others.group),
        ("time", own.modified == others.modified),
        ("extended attributes", Set(own.extended) == Set(others.extended)),
      ].filter { !$0.1 }.map(\.0)
    }
  }

  private let entries = Mutex<[String: Entry]>([:])

  /// Notes a tree.
  ///
  /// - Parameter place: where it is mounted.
  /// - Throws: `Fault`; `CancellationError`.
  func add(_ nodes: some NodeSource, at place: String) throws {
    var nodes = nodes
    while let node = try nodes.next() {
      try Cancellation.check()
      let path = place == "/" ? "\(node.path)" : place + (node.path == .root ? "" : "\(node.path)")
      let entry = try Entry(node)
      entries.withLock { $0[path] = entry }
    }
  }

  /// Notes bytes of the disk that are in no filesystem.
  ///
  /// - Parameter name: what they are, for people.
  /// - Throws: `Fault`; `CancellationError`.
  func add(_ range: Range<UInt64>, of file: FilePath, as name: String) throws {
    var hash = XXH64()
    try hash.update(range, of: file)
    let none = Attributes(mode: 0, time: Timestamp(seconds: 0))
    let entry = Entry(type: "bytes", content: hash.digest, attributes: none)
    entries.withLock { $0[name] = entry }
  }

  /// What another build has otherwise, a line for each path, in the order of these.
  func difference(from other: TreeRecord) -> [String] {
    let (first, second) = (entries.withLock(\.self), other.entries.withLock(\.self))
    return Set(first.keys).union(second.keys).sorted().compactMap { path in
      switch (first[path], second[path]) {
      case (let one?, let another?):
        let fields = one.difference(from: another)
        return fields.isEmpty ? nil : "\(path): \(fields.joined(separator: ", "))"
      case (_?, nil): return "\(path): in the first build only"
      case (nil, _): return "\(path): in the second build only"
      }
    }
  }
}

extension TreeRecord.Entry {
  /// - Throws: `Fault` when the content cannot be read; `CancellationError`.
  fileprivate init(_ node: Node) throws {
    attributes = node.attributes
    var hash = XXH64()
    func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { hash.update($0) } }
    switch node.kind {
    case .kept: type = "poured"
    case .directory: type = "directory"
    case .symbolicLink(let target):
      type = "link"
      add(target)
    case .file(.bytes(let bytes)):
      type = "file"
      add(bytes)
    case .file(.parts(let parts)):
      type = "file"
      try parts.update(&hash)
    case .file(.host): type = "file"
    case .fifo: type = "FIFO"
    case .socket: type = "socket"
    case .characterDevice, .blockDevice: type = "device"
    }
    content = hash.digest
  }
}

extension FileParts {
  /// Adds what is in the file: for one without holes, its bytes alone.
  fileprivate func update(_ hash: inout XXH64) throws {
    for piece in pieces {
      if pieces.count > 1 || piece.length != size {
        var place: [UInt8] = []
        place.append(littleEndian: piece.position)
        place.withUnsafeBytes { hash.update($0) }
      }
      try hash.update(piece.offset..<piece.offset + piece.length, of: path)
    }
  }
}

extension XXH64 {
  /// Adds a part of a file.
  fileprivate mutating func update(_ range: Range<UInt64>, of file: FilePath) throws {
    let stream = try HandoverStream(file, range)
    while true {
      try Cancellation.check()
      let bytes = try stream.piece()
      guard !bytes.isEmpty else { return }
      update(bytes)
    }
  }
}
