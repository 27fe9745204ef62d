import Command
import Ext4
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite("Replacing a poured tree")
struct ReplaceTests {
  @Test("What is kept stays, the rest is the new tree, and nothing else is left", arguments: 1...8)
  func randomTrees(seed: UInt64) async throws {
    try await withScratchDirectory { folder in
      let options = Ext4Options.test(.mebibytes(64))
      let old = RandomTree(seed: seed, entries: 120).nodes.sorted { $0.path < $1.path }
      let (new, expected) = Self.successor(of: old, seed: seed)
      let image = try await PouredImage(ListedNodes(old), options, in: folder)
      let untouched = try Data(contentsOf: URL(filePath: image.file.string))
      let replaced = try await Ext4.replaceTree(in: image.file, options) { ListedNodes(new) }
      try await image.check()
      let found = try await image.extracted(to: folder.appending("extracted"))
      let wanted = try expected.filter(\.isExtracted).map { try $0.withContent() }
      #expect(found.map(\.path) == wanted.map(\.path))
      #expect(found.map(\.kind) == wanted.map(\.kind))
      // A pour of the same tree needs as much, but for numbers and blocks that a table lies between.
      let poured = try await PouredImage(ListedNodes(expected), options, in: folder, name: "poured").poured
      #expect(replaced.freeInodes == poured.freeInodes)
      #expect(abs(Int(replaced.freeBlocks) - Int(poured.freeBlocks)) <= 4)
      #expect(try await Self.blocksInUse(image.file) == [])

      let again = folder.appending("again")
      try untouched.write(to: URL(filePath: again.string))
      _ = try await Ext4.replaceTree(in: again, options) { ListedNodes(new) }
      #expect(try await PouredImage.digest(again) == PouredImage.digest(image.file))
    }
  }

  @Test("What was never poured cannot be kept")
  func unknown() async throws {
    try await withScratchDirectory { folder in
      let options = Ext4Options.test()
      let image = try await PouredImage(
        ListedNodes([try .directory(""), try .file("a")]), options, in: folder)
      for path in ["b", "a/b"] {
        let error = await #expect(throws: (any Error).self) {
          try await Ext4.replaceTree(in: image.file, options) {
            ListedNodes([try .directory(""), try .make(path, .kept)])
          }
        }
        #expect("\(try #require(error))".contains("was not written"))
      }
    }
  }

  @Test("A file that lies in pieces is read from them")
  func pieces() async throws {
    try await withScratchDirectory { folder in
      let source = folder.appending("source")
      let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
      try Data(bytes).write(to: URL(filePath: source.string))
      let pieces = [(0, 100, 5000), (200_000, 7000, 70_000), (270_000, 90_000, 1)].map {
        FileParts.Piece(position: $0.0, offset: $0.1, length: $0.2)
      }
      let parts = FileParts(path: source, size: 400_001, pieces: pieces)
      var expected = [UInt8](repeating: 0, count: 400_001)
      for piece in pieces {
        for index in 0..<Int(piece.length) {
          expected[Int(piece.position) + index] = bytes[Int(piece.offset) + index]
        }
      }
      let nodes = [try Node.directory(""), try .make("f", .file(.parts(parts)))]
      let image = try await PouredImage(ListedNodes(nodes), .test(), in: folder)
      try await image.check()
      _ = try await image.debugfs("dump /f \(folder)/f")
      #expect(try Data(contentsOf: URL(filePath: "\(folder)/f")) == Data(expected))
    }
  }

  /// A tree that keeps some of another, changes some, drops some and adds some; and what it is without keeping.
  private static func successor(of old: [Node], seed: UInt64) -> (new: [Node], whole: [Node]) {
    var generator = SeededGenerator(seed: seed &+ 1000)
    var (new, whole): ([Node], [Node]) = ([], [])
    var (keeping, dropping): (TreePath?, TreePath?) = (nil, nil)
    for node in old {
      if let dropping, node.path.isAtOrIn(dropping) { continue }
      if let keeping, node.path.isAtOrIn(keeping) {
        whole.append(node)
        continue
      }
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: dropping = node.path
      case 1...2:
        keeping = node.kind == .directory ? node.path : nil
        whole.append(node)
        new.append(Node(path: node.path, kind: .kept, attributes: node.attributes))
      default:
        var changed = node
        changed.linkGroup = nil
        if node.kind != .directory { changed.kind = .file(.bytes(Array("changed".utf8))) }
        whole.append(changed)
        new.append(changed)
      }
    }
    let more = RandomTree(seed: seed &+ 2000, entries: 40).nodes.map { node in
      var node = node
      node.path = TreePath(bytes: Array("zz/".utf8) + node.path.bytes) ?? node.path
      node.linkGroup?.scope = 1
      return node
    }
    let folder = Node(
      path: TreePath("zz") ?? .root, kind: .directory,
      attributes: Attributes(mode: 0o755, time: Timestamp(seconds: 1)))
    return (
      (new + [folder] + more).sorted { $0.path < $1.path },
      (whole + [folder] + more).sorted { $0.path < $1.path }
    )
  }

  /// Free blocks of the filesystem that do not read as zeros.
  private static func blocksInUse(_ file: FilePath) async throws -> [Int] {
    let text = try await SubprocessRunner().run(
      Command("dumpe2fs", [file.string], environment: ["TZ": "UTC"]))
    let data = try Data(contentsOf: URL(filePath: file.string))
    var found: [Int] = []
    for line in text.split(separator: "\n") where line.contains("Free blocks: ") && line.hasPrefix("  ") {
      let ranges = line.split(separator: ":").last?.split(separator: ",") ?? []
      for range in ranges {
        let ends = range.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard let first = ends.first, let last = ends.last else { continue }
        for block in first...last where data[block * 4096..<(block + 1) * 4096].contains(where: { $0 != 0 }) {
          found.append(block)
        }
      }
    }
    return found
  }
}
