import AgentProtocol
import Basics
import Command
import Ext4
import Foundation
import ImageModel
import InstallSteps
import SystemPackage
import TestSupport
import Testing

@testable import FAT
@testable import ImageBuilder

/// An archive to be, record by record.
struct ArchiveDraft: Sendable {
  var records: [[UInt8]] = []
  var header: @Sendable (HandoverHeader) -> [UInt8] = { $0.bytes }
  /// The size of the disk it is on; nil for as large as needed.
  var diskSize: Int?

  static let latest: Int64 = 1_000_000_000

  init(_ records: [[UInt8]]) {
    self.records = records
  }

  /// A tree with these nodes behind its root, and the end.
  static func tree(_ nodes: [[UInt8]]) -> ArchiveDraft {
    ArchiveDraft([tree(0), directory("")] + nodes + [end])
  }

  static let end = [Handover.Kind.end.rawValue]

  static func tree(_ number: UInt32) -> [UInt8] {
    var bytes = [Handover.Kind.tree.rawValue]
    bytes.append(littleEndian: number)
    return bytes
  }

  static func region(_ number: UInt32, _ content: [UInt8], length: UInt64? = nil) -> [UInt8] {
    var bytes = [Handover.Kind.region.rawValue]
    bytes.append(littleEndian: number)
    bytes.append(littleEndian: length ?? UInt64(content.count))
    return bytes + content
  }

  static func attributes(
    mode: UInt16 = 0o644, seconds: Int64 = 1, nanoseconds: UInt32 = 0,
    extended: [(name: [UInt8], value: [UInt8])] = []
  ) -> [UInt8] {
    var attributes = Handover.Attributes(
      mode: mode, user: 7, group: 8, seconds: seconds, nanoseconds: nanoseconds)
    attributes.extended = extended
    var bytes: [UInt8] = []
    bytes.append(attributes)
    return bytes
  }

  static func node(
    _ kind: Handover.Kind, _ path: [UInt8], _ attributes: [UInt8] = attributes(), rest: [UInt8] = []
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(kind, path: path)
    return bytes + attributes + rest
  }

  static func directory(_ path: String) -> [UInt8] {
    node(.directory, Array(path.utf8), attributes(mode: 0o755))
  }

  static func kept(_ path: String) -> [UInt8] { node(.kept, Array(path.utf8), []) }

  static func link(_ path: String, group: UInt64) -> [UInt8] {
    var rest: [UInt8] = []
    rest.append(littleEndian: group)
    return node(.link, Array(path.utf8), rest)
  }

  static func symbolicLink(_ path: String, _ target: [UInt8]) -> [UInt8] {
    var rest: [UInt8] = []
    rest.append(littleEndian: UInt16(target.count))
    return node(.symbolicLink, Array(path.utf8), rest: rest + target)
  }

  static func file(
    _ path: String, group: UInt64 = 0, size: UInt64, _ pieces: [(UInt64, UInt64)], content: [UInt8],
    attributes: [UInt8] = attributes()
  ) -> [UInt8] {
    var rest: [UInt8] = []
    rest.append(
      linkGroup: group, size: size, pieces: pieces.map { Handover.Piece(position: $0.0, length: $0.1) })
    return node(.file, Array(path.utf8), attributes, rest: rest + content)
  }

  static func file(_ path: String, group: UInt64 = 0) -> [UInt8] {
    file(path, group: group, size: 2, [(0, 2)], content: [65, 66])
  }

  /// Writes it as the agent does.
  func write(to file: FilePath) throws {
    let stream = records.flatMap(\.self)
    var hash = XXH64()
    stream.withUnsafeBytes { hash.update($0) }
    let header = HandoverHeader(
      length: UInt64(stream.count), records: UInt64(records.count), digest: hash.digest)
    var disk = Data(count: Int(HandoverHeader.streamOffset))
    let bytes = self.header(header)
    disk.replaceSubrange(0..<bytes.count, with: bytes)
    disk += stream
    if let diskSize { disk = disk.prefix(diskSize) }
    try disk.write(to: URL(filePath: file.string))
  }

  /// Reads it back as the host does: one tree that keeps, or none; regions of these lengths.
  func read(regions: [UInt64] = [], trees: Int = 1, keeping: Int? = nil) throws -> HandoverArchive {
    let file = FilePath(FileManager.default.temporaryDirectory.path).appending(UUID().uuidString)
    defer { try? FileManager.default.removeItem(atPath: file.string) }
    try write(to: file)
    let archive = try HandoverArchive(
      file, trees: trees, regions: regions, keeping: keeping, latest: Self.latest)
    for number in 0..<trees {
      var nodes = try archive.nodes(ofTree: number)
      while try nodes.next() != nil {}
    }
    return archive
  }
}

@Suite("What the guest hands over")
struct HandoverTests {
  @Test("xxHash is that of its authors")
  func hash() {
    func digest(_ text: String, times: Int = 1) -> UInt64 {
      var hash = XXH64()
      for _ in 0..<times { Array(text.utf8).withUnsafeBytes { hash.update($0) } }
      return hash.digest
    }
    // As `xxhsum -H1` and python's xxhash print them.
    #expect(digest("") == 0xef46_db37_51d8_e999)
    #expect(digest("a") == 0xd24e_c4f1_a98c_6e5b)
    #expect(digest("abc") == 0x44bc_2cf5_ad77_0999)
    #expect(
      digest("abcdefghijklmnopqrstuvwxyz0123456789")
        == digest("abcdefghijklmnopqrstuvwxyz", then: "0123456789"))
    func digest(_ first: String, then second: String) -> UInt64 {
      var hash = XXH64()
      for text in [first, second] { Array(text.utf8).withUnsafeBytes { hash.update($0) } }
      return hash.digest
    }
  }

  @Test("A real tree comes out as an independent lister finds it")
  func roundTrip() async throws {
    try await withScratchDirectory { scratch in
      let (folder, file) = (scratch.appending("tree"), scratch.appending("disk"))
      try await Self.makeTree(at: folder)
      #expect(FileManager.default.createFile(atPath: file.string, contents: nil))
      let writer = try HandoverWriter(file.string)
      try writer.add(ArchiveDraft.tree(0))
      try HandoverTree(writer: writer, poured: []).run(from: folder.string)
      try writer.add(ArchiveDraft.end)
      try writer.finish()
      let archive = try HandoverArchive(
        file, trees: 1, regions: [], keeping: nil, latest: ArchiveDraft.latest)
      let found = try Self.list(archive.nodes(ofTree: 0))
      let expected = try Self.list(FileTree([FileTree.Root(host: folder, path: .root)]))
      #expect(found.map(\.path) == expected.map(\.path))
      for (found, expected) in zip(found, expected) {
        // A further name has what it is from the first.
        if case .file(.bytes) = found.kind { continue }
        #expect(found.attributes.mode == expected.attributes.mode, "\(found.path)")
        #expect(found.attributes.owner == expected.attributes.owner)
        #expect(
          Set(found.attributes.extended) == Set(expected.attributes.extended), "\(found.path)")
        let time = expected.attributes.modified
        #expect(
          found.attributes.modified
            == (time.seconds < ArchiveDraft.latest ? time : Timestamp(seconds: ArchiveDraft.latest)),
          "\(found.path)")
        try Self.compare(found, expected)
      }
      #expect(Set(found.compactMap(\.linkGroup)).count == 1)
      #expect(found.count { $0.linkGroup != nil } == 2)
    }
  }

  @Test("An archive has a bounded number of files, and of what is kept any number")
  func bounded() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("disk")
      let kept = (0..<9).map { ArchiveDraft.kept("kept\($0)") }
      func read(_ nodes: [[UInt8]]) throws {
        try ArchiveDraft.tree(kept + nodes).write(to: file)
        _ = try HandoverArchive(
          file, trees: 1, regions: [], keeping: 0, latest: ArchiveDraft.latest, nodeLimit: 3)
      }
      try read([ArchiveDraft.file("x"), ArchiveDraft.file("y")])
      let fault = #expect(throws: Fault.self) {
        try read([ArchiveDraft.file("x"), ArchiveDraft.file("y"), ArchiveDraft.symbolicLink("z", [65])])
      }
      #expect(fault?.message.contains("z: there are too many files") == true, "\(String(describing: fault))")
    }
  }

  /// Alone in its process, or others' memory would count.
  @Test(
    "A million files take little memory",
    .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] != nil))
  func memory() async throws {
    func peak() throws -> Int {
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      return try #require(line.flatMap { Int($0.filter(\.isNumber)) })
    }
    try await withScratchDirectory { scratch in
      let (file, image) = (scratch.appending("disk"), scratch.appending("image"))
      #expect(FileManager.default.createFile(atPath: file.string, contents: nil))
      let writer = try HandoverWriter(file.string)
      try writer.add(ArchiveDraft.tree(0))
      try writer.add(ArchiveDraft.directory(""))
      for folder in 1000..<2000 {
        try writer.add(ArchiveDraft.directory("d\(folder)"))
        for number in 1000..<2000 { try writer.add(ArchiveDraft.file("d\(folder)/f\(number)")) }
      }
      try writer.add(ArchiveDraft.end)
      try writer.finish()
      let options = Ext4Options(
        size: .mebibytes(8192), uuid: GUID(high: 1, low: 2), hashSeed: GUID(high: 1, low: 2),
        inodes: 1_100_000)
      _ = try await Ext4.pour(
        ListedNodes([
          Node(
            path: .root, kind: .directory, attributes: Attributes(mode: 0o755, time: Timestamp(seconds: 1)))
        ]), to: image, options)
      let before = try peak()
      let archive = try HandoverArchive(
        file, trees: 1, regions: [], keeping: 0, latest: ArchiveDraft.latest)
      let trees = try SealedTrees(archive, at: ["/"])
      _ = try await Ext4.replaceTree(in: image, options) { try trees.nodes(ofTree: 0) }
      let growth = try peak() - before
      #expect(growth <= 200 << 10, "\(growth) KiB")
      print("a million files: \(growth >> 10) MiB beside \(before >> 10)")
    }
  }

  @Test(
    "What FAT cannot hold is refused by its name",
    arguments: [
      ([ArchiveDraft.file("EFI"), ArchiveDraft.file("efi")], "upper and lower case"),
      ([ArchiveDraft.file("Ä"), ArchiveDraft.file("ä")], "upper and lower case"),
      ([ArchiveDraft.file("a:b")], "cannot hold such a name"),
      ([ArchiveDraft.symbolicLink("link", [65])], "link' cannot be on a FAT filesystem"),
      ([ArchiveDraft.node(.fifo, Array("fifo".utf8))], "fifo' cannot be on a FAT filesystem"),
      ([ArchiveDraft.node(.directory, [0xff])], "cannot be on a FAT filesystem"),
      (
        [ArchiveDraft.file("holes", size: 9, [(0, 1), (8, 1)], content: [65, 66])],
        "holes' cannot be on a FAT filesystem"
      ),
      ([ArchiveDraft.file("huge", size: 1 << 32, [], content: [])], "huge' cannot be on a FAT filesystem"),
    ])
  func notForFAT(nodes: [[UInt8]], cause: String) async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("disk")
      try ArchiveDraft.tree(nodes).write(to: file)
      let archive = try HandoverArchive(
        file, trees: 1, regions: [], keeping: nil, latest: ArchiveDraft.latest)
      let fault = #expect(throws: Fault.self) {
        var (handed, made) = (try archive.nodes(ofTree: 0), [FATNode]())
        while let node = try handed.next() {
          if node.path != .root { made.append(try FATNode(node)) }
        }
        _ = try FATDirectory(made)
      }
      #expect(fault?.message.contains(cause) == true, "\(String(describing: fault))")
    }
  }

  @Test("Hostile archives are refused, with a cause", arguments: Hostile.all)
  func refused(hostile: Hostile) throws {
    do {
      _ = try hostile.draft.read(regions: hostile.regions, trees: hostile.trees, keeping: hostile.keeping)
      Issue.record("\(hostile.name) was taken")
    } catch {
      let text = "\(error)"
      #expect(
        text.contains("cannot be taken over") && text.contains(hostile.cause), "\(hostile.name): \(text)")
    }
  }

  @Test("An archive cut anywhere, or with any byte changed, is refused or read, and nothing crashes")
  func damaged() throws {
    let draft = ArchiveDraft.tree([
      ArchiveDraft.directory("a"), ArchiveDraft.file("a/b", group: 3), ArchiveDraft.link("a/c", group: 3),
      ArchiveDraft.symbolicLink("d", [65]),
    ])
    #expect(throws: Never.self) { try draft.read() }
    let size = Int(HandoverHeader.streamOffset) + draft.records.reduce(0) { $0 + $1.count }
    for cut in Int(HandoverHeader.streamOffset)..<size {
      var short = draft
      short.diskSize = cut
      #expect(throws: (any Error).self) { try short.read() }
    }
    for record in draft.records.indices {
      for byte in draft.records[record].indices {
        for bit in 0..<8 {
          var changed = draft
          changed.records[record][byte] ^= 1 << bit
          _ = try? changed.read()
        }
      }
    }
  }
}

/// A way to deceive the host.
struct Hostile: Sendable, CustomTestStringConvertible {
  let name: String
  let cause: String
  let draft: ArchiveDraft
  let regions: [UInt64]
  let trees: Int
  let keeping: Int?

  var testDescription: String { name }

  private init(
    _ name: String, _ cause: String, _ draft: ArchiveDraft, regions: [UInt64] = [], trees: Int = 1,
    keeping: Int? = nil
  ) {
    (self.name, self.cause, self.draft) = (name, cause, draft)
    (self.regions, self.trees, self.keeping) = (regions, trees, keeping)
  }

  private typealias Draft = ArchiveDraft

  private static func header(_ change: @escaping @Sendable (HandoverHeader) -> [UInt8]) -> ArchiveDraft {
    var draft = Draft.tree([])
    draft.header = change
    return draft
  }

  private static func path(_ bytes: [UInt8]) -> ArchiveDraft {
    Draft.tree([Draft.directory("a"), Draft.node(.directory, bytes)])
  }

  static let all: [Hostile] = frames + paths + attributes + files

  private static let frames: [Hostile] = [
    Hostile("nothing written", "no header", header { _ in Array(repeating: 0, count: 32) }),
    Hostile("another magic", "no header", header { [0] + $0.bytes.dropFirst() }),
    Hostile(
      "longer than its disk", "its disk has",
      header { HandoverHeader(length: .max, records: $0.records, digest: $0.digest).bytes }),
    Hostile(
      "another digest", "digest",
      header { HandoverHeader(length: $0.length, records: $0.records, digest: ~$0.digest).bytes }),
    Hostile(
      "another number of records", "last record",
      header { HandoverHeader(length: $0.length, records: $0.records + 1, digest: $0.digest).bytes }),
    Hostile("no end", "ends inside a record", Draft([Draft.tree(0), Draft.directory("")])),
    Hostile(
      "more behind the end", "last record", Draft([Draft.tree(0), Draft.directory(""), Draft.end, Draft.end])),
    Hostile("an unknown record", "kind", Draft([[99], Draft.end])),
    Hostile(
      "a tree of another number", "not asked for", Draft([Draft.tree(1), Draft.directory(""), Draft.end])),
    Hostile(
      "a tree too many", "not asked for",
      Draft([Draft.tree(0), Draft.directory(""), Draft.tree(1), Draft.directory(""), Draft.end])),
    Hostile("a tree missing", "missing", Draft.tree([]), trees: 2),
    Hostile("a node in no tree", "in no tree", Draft([Draft.directory(""), Draft.end])),
    Hostile(
      "a region too many", "not asked for",
      Draft([Draft.tree(0), Draft.directory(""), Draft.region(0, [1]), Draft.end])),
    Hostile(
      "a region of another length", "not asked for",
      Draft([Draft.tree(0), Draft.directory(""), Draft.region(0, [1]), Draft.end]), regions: [2]),
    Hostile("a region missing", "missing", Draft.tree([]), regions: [1]),
    Hostile(
      "a region beyond the end", "should follow",
      Draft([Draft.tree(0), Draft.directory(""), Draft.region(0, [1], length: .max), Draft.end]),
      regions: [.max]),
    Hostile("a tree without a root", "no root", Draft([Draft.tree(0), Draft.end])),
    Hostile(
      "a root that is a file", "begins with its root", Draft([Draft.tree(0), Draft.file(""), Draft.end])),
    Hostile(
      "a first node that is no root", "begins with its root",
      Draft([Draft.tree(0), Draft.directory("a"), Draft.end])),
  ]

  private static let paths: [Hostile] = [
    Hostile("a path out of the tree", "no path inside", path(Array("a/../../etc".utf8))),
    Hostile("the parent itself", "no path inside", path(Array("..".utf8))),
    Hostile("a dot", "no path inside", path(Array("a/./b".utf8))),
    Hostile("an absolute path", "no path inside", path(Array("/etc".utf8))),
    Hostile("a slash at the end", "no path inside", path(Array("b/".utf8))),
    Hostile("two slashes", "no path inside", path(Array("a//b".utf8))),
    Hostile("a NUL", "no path inside", path([97, 47, 0, 98])),
    Hostile("a name of 256 bytes", "no path inside", path(Array(repeating: 98, count: 256))),
    Hostile("a path of 5000 bytes", "5000 bytes", path(Array(repeating: 98, count: 5000))),
    Hostile("out of order", "out of order", Draft.tree([Draft.directory("b"), Draft.directory("a")])),
    Hostile("twice", "twice", Draft.tree([Draft.directory("a"), Draft.file("a")])),
    Hostile("the root again", "out of order", Draft.tree([Draft.directory("")])),
    Hostile("in no directory", "in no directory", Draft.tree([Draft.file("a/b")])),
    Hostile(
      "in a directory that is over", "out of order",
      Draft.tree([
        Draft.directory("a"), Draft.directory("b"), Draft.file("a/c"),
      ])),
    Hostile("below a file", "in no directory", Draft.tree([Draft.file("a"), Draft.file("a/b")])),
    Hostile(
      "below a link to a directory", "in no directory",
      Draft.tree([
        Draft.symbolicLink("a", Array("/etc".utf8)), Draft.file("a/passwd"),
      ])),
    Hostile(
      "below what is kept", "in no directory", Draft.tree([Draft.kept("a"), Draft.file("a/b")]), keeping: 0),
    Hostile("kept where nothing was poured", "handed over itself", Draft.tree([Draft.kept("a")])),
  ]

  private static let attributes: [Hostile] = [
    Hostile(
      "a mode with a type", "mode", Draft.tree([Draft.node(.fifo, [97], Draft.attributes(mode: 0o10644))])),
    Hostile(
      "a second of 10^9 nanoseconds", "time",
      Draft.tree([Draft.node(.fifo, [97], Draft.attributes(nanoseconds: 1_000_000_000))])),
    Hostile(
      "65 attributes", "65 extended",
      Draft.tree([
        Draft.node(.fifo, [97], Draft.attributes(extended: (0..<65).map { ([117, UInt8($0 + 1)], []) }))
      ])),
    Hostile(
      "an attribute twice", "extended attributes",
      Draft.tree([Draft.node(.fifo, [97], Draft.attributes(extended: [([117], []), ([117], [])]))])),
    Hostile(
      "an attribute with a NUL", "extended attributes",
      Draft.tree([Draft.node(.fifo, [97], Draft.attributes(extended: [([117, 0], [])]))])),
    Hostile(
      "an attribute that is not UTF-8", "extended attributes",
      Draft.tree([Draft.node(.fifo, [97], Draft.attributes(extended: [([0xff], [])]))])),
    Hostile(
      "an attribute of 5000 bytes", "extended attributes",
      Draft.tree([
        Draft.node(.fifo, [97], Draft.attributes(extended: [([117], Array(repeating: 1, count: 5000))]))
      ])),
    Hostile("a link to nothing", "target", Draft.tree([Draft.symbolicLink("a", [])])),
    Hostile("a target with a NUL", "target", Draft.tree([Draft.symbolicLink("a", [97, 0, 98])])),
    Hostile(
      "a target of 4096 bytes", "target",
      Draft.tree([Draft.symbolicLink("a", Array(repeating: 97, count: 4096))])),
  ]

  private static let files: [Hostile] = [
    Hostile("a file of 2^63 bytes", "pieces", Draft.tree([Draft.file("a", size: 1 << 63, [], content: [])])),
    Hostile(
      "pieces over one another", "pieces",
      Draft.tree([Draft.file("a", size: 9, [(0, 4), (3, 2)], content: [1, 1, 1, 1, 1, 1])])),
    Hostile(
      "pieces in the wrong order", "pieces",
      Draft.tree([Draft.file("a", size: 9, [(4, 2), (0, 2)], content: [1, 1, 1, 1])])),
    Hostile(
      "a piece beyond the end", "pieces", Draft.tree([Draft.file("a", size: 3, [(2, 2)], content: [1, 1])])),
    Hostile("an empty piece", "pieces", Draft.tree([Draft.file("a", size: 3, [(2, 0)], content: [])])),
    Hostile(
      "a length that overflows", "pieces", Draft.tree([Draft.file("a", size: 9, [(1, .max)], content: [1])])),
    Hostile(
      "bytes that are not there", "should follow",
      Draft([
        Draft.tree(0), Draft.directory(""), Draft.file("a", size: 1 << 40, [(0, 1 << 40)], content: [1]),
        Draft.end,
      ])),
    Hostile(
      "more pieces than bytes", "pieces",
      Draft([Draft.tree(0), Draft.directory(""), manyPieces, Draft.end])),
    Hostile("a name of a file that is not there", "another name", Draft.tree([Draft.link("a", group: 1)])),
    Hostile(
      "a name of a file of another tree", "another name",
      Draft([
        Draft.tree(0), Draft.directory(""), Draft.file("a", group: 1), Draft.tree(1), Draft.directory(""),
        Draft.link("a", group: 1), Draft.end,
      ]),
      trees: 2),
    Hostile(
      "two files of one number", "number", Draft.tree([Draft.file("a", group: 1), Draft.file("b", group: 1)])),
  ]

  /// Says that a million pieces follow.
  private static var manyPieces: [UInt8] {
    var rest: [UInt8] = []
    rest.append(littleEndian: UInt64(0))
    rest.append(littleEndian: UInt64(1 << 30))
    rest.append(littleEndian: UInt32(1 << 20))
    return Draft.node(.file, [97], rest: rest)
  }
}

extension HandoverTests {
  private static func list(_ source: some NodeSource) throws -> [Node] {
    var source = source
    var nodes: [Node] = []
    while let node = try source.next() { nodes.append(node) }
    return nodes
  }

  /// Types and bytes.
  private static func compare(_ found: Node, _ expected: Node) throws {
    switch (found.kind, expected.kind) {
    case (.file(.parts(let parts)), .file(.host(let host))):
      #expect(parts.size == host.size, "\(found.path)")
      var bytes = [UInt8](repeating: 0, count: Int(parts.size))
      let archive = try Data(contentsOf: URL(filePath: parts.path.string))
      for piece in parts.pieces {
        for index in 0..<Int(piece.length) {
          bytes[Int(piece.position) + index] = archive[Int(piece.offset) + index]
        }
      }
      #expect(try Data(bytes) == Data(contentsOf: URL(filePath: host.path.string)), "\(found.path)")
    default: #expect(found.kind == expected.kind, "\(found.path)")
    }
  }

  private static func makeTree(at folder: FilePath) async throws {
    let manager = FileManager.default
    func path(_ name: String) -> String { folder.appending(name).string }
    try manager.createDirectory(atPath: path("a/b-c"), withIntermediateDirectories: true)
    try manager.createDirectory(atPath: path("a/b"), withIntermediateDirectories: true)
    try Data("text".utf8).write(to: URL(filePath: path("a/b/file")))
    try Data().write(to: URL(filePath: path("a/b/empty")))
    try manager.linkItem(atPath: path("a/b/file"), toPath: path("a/second"))
    try manager.createSymbolicLink(atPath: path("link"), withDestinationPath: "/nowhere/at all")
    try manager.setAttributes([.posixPermissions: 0o4711], ofItemAtPath: path("a/b/empty"))
    try manager.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 12345.25)], ofItemAtPath: path("a/b/empty"))
    mkfifo(path("fifo"), 0o600)
    let sparse = open(path("sparse"), O_CREAT | O_WRONLY, 0o640)
    defer { close(sparse) }
    ftruncate(sparse, 3 << 20)
    pwrite(sparse, "middle", 6, 1 << 20)
    _ = try await SubprocessRunner().run("setfattr", "-n", "user.origin", "-v", "here", path("a/b/file"))
  }
}
