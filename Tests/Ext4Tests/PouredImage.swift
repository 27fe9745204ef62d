import Command
import Ext4
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// A poured filesystem under the eyes of e2fsprogs, which read it by code of their own.
struct PouredImage {
  let file: FilePath
  let poured: Ext4.Poured

  /// Pours nodes into a fresh file of a scratch folder.
  init(_ nodes: any NodeSource, _ options: Ext4Options, in folder: FilePath, name: String = "image")
    async throws
  {
    file = folder.appending(name)
    poured = try await Ext4.pour(nodes, to: file, options)
  }

  /// Fails the test when e2fsck has anything to say.
  func check(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    #expect(try await FilesystemCheck.remarks(on: file) == [], sourceLocation: sourceLocation)
  }

  /// What debugfs prints for a request.
  func debugfs(_ request: String) async throws -> String {
    try await SubprocessRunner().run("debugfs", "-R", request, file.string)
  }

  /// What debugfs prints for the requests in a file.
  func debugfs(requests: FilePath) async throws -> String {
    try await SubprocessRunner().run("debugfs", "-f", requests.string, file.string)
  }

  /// Directories, files and links as debugfs extracts them, without `lost+found`.
  ///
  /// It loses some modes and owners; of the attributes there is the time of the content, to the second.
  func extracted(to folder: FilePath) async throws -> [Node] {
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    _ = try await debugfs("rdump / \(folder)")
    let root = FileTree.Root(host: folder, path: .root)
    return try await Self.list(FileTree([root], rules: .asFound))
      .filter { $0.path != .root && $0.path != TreePath("lost+found") }
      .map { node in
        var node = try node.withContent()
        node.attributes = Attributes(mode: 0, time: Timestamp(seconds: node.attributes.modified.seconds))
        return node
      }
  }

  /// All nodes of a source.
  static func list(_ source: any NodeSource) async throws -> [Node] {
    var source = source
    var nodes: [Node] = []
    while let node = try source.next() { nodes.append(node) }
    return nodes
  }

  /// Fields of the superblock, as dumpe2fs names them.
  static func superblock(_ file: FilePath) async throws -> [String: String] {
    let text = try await SubprocessRunner().run(
      Command("dumpe2fs", ["-h", file.string], environment: ["TZ": "UTC"]))
    return text.split(separator: "\n").reduce(into: [:]) { fields, line in
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { fields[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
  }

  static func digest(_ file: FilePath) async throws -> String {
    let line = try await SubprocessRunner().run("sha256sum", file.string)
    return String(line.prefix { $0 != " " })
  }
}

extension Ext4Options {
  /// A small filesystem with fixed identifiers.
  static func test(_ size: ByteSize = .mebibytes(64), inodes: UInt64? = nil) -> Ext4Options {
    Ext4Options(
      size: size, uuid: GUID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef),
      hashSeed: GUID(high: 0x0f0e_0d0c_0b0a_4908, low: 0x8706_0504_0302_0100), label: "nixos", inodes: inodes)
  }
}

extension Node {
  /// A node with plain attributes.
  static func make(
    _ path: String, _ kind: Kind, mode: UInt16 = 0o644, extended: [ExtendedAttribute] = [],
    linkGroup: LinkGroup? = nil
  ) throws -> Node {
    Node(
      path: try #require(TreePath(path)), kind: kind,
      attributes: Attributes(mode: mode, time: Timestamp(seconds: 1), extended: extended),
      linkGroup: linkGroup)
  }

  static func directory(_ path: String) throws -> Node { try make(path, .directory, mode: 0o755) }
  static func file(_ path: String, _ bytes: [UInt8] = []) throws -> Node {
    try make(path, .file(.bytes(bytes)))
  }

  /// The same with the content in memory, and without its link group.
  func withContent() throws -> Node {
    var node = self
    node.linkGroup = nil
    if case .file(.host(let file)) = kind {
      // Not by Foundation: names need not be text.
      let descriptor = try FileDescriptor.open(file.path, .readOnly)
      node.kind = try descriptor.closeAfter {
        var bytes = [UInt8](repeating: 0, count: Int(file.size))
        let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        try #require(count == bytes.count)
        return .file(.bytes(bytes))
      }
    }
    return node
  }
}
