import Command
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite("Pour")
struct PourTests {
  @Test("An empty filesystem is what mke2fs makes", arguments: [4, 64, 600, 5000, 20_000])
  func emptyTree(mebibytes: UInt64) async throws {
    try await withScratchDirectory { folder in
      let options = Ext4Options.test(.mebibytes(mebibytes))
      let image = try await PouredImage(ListedNodes([]), options, in: folder)
      try await image.check()
      let twin = folder.appending("mke2fs")
      let extended = "hash_seed=\(options.hashSeed),lazy_itable_init=1,lazy_journal_init=1"
      try await SubprocessRunner().run(
        Command(
          "mke2fs",
          [
            "-q", "-t", "ext4", "-b", "4096", "-i", "16384", "-U", options.uuid.description, "-L",
            options.label,
            "-E", extended, twin.string, "\(options.size.bytes / 1024)k",
          ], environment: ["E2FSPROGS_FAKE_TIME": "1"]))
      var ours = try await PouredImage.superblock(image.file)
      var theirs = try await PouredImage.superblock(twin)
      // Blocks of root and lost+found were taken before those of the journal, and more was written.
      for field in ["Checksum", "Lifetime writes", "Journal checksum"] {
        ours[field] = nil
        theirs[field] = nil
      }
      #expect(ours == theirs)
      let geometry = try #require(Geometry(blocks: mebibytes * 256, inodes: mebibytes * 64))
      #expect(geometry.blocks == image.poured.blocks)
      #expect(geometry.inodes == image.poured.inodes)
      #expect(geometry.blocks - geometry.overhead == image.poured.freeBlocks + 5)
    }
  }

  @Test("Random trees come out as they went in", arguments: 1...6)
  func randomTrees(seed: UInt64) async throws {
    try await withScratchDirectory { folder in
      let tree = RandomTree(seed: seed, entries: 150).nodes.sorted { $0.path < $1.path }
      let options = Ext4Options.test(.mebibytes(64))
      let image = try await PouredImage(ListedNodes(tree), options, in: folder)
      try await image.check()
      let extracted = try await image.extracted(to: folder.appending("extracted"))
      let extractable = try tree.filter(\.isExtracted).map { try $0.withContent() }
      #expect(extracted.map(\.path) == extractable.map(\.path))
      #expect(extracted.map(\.kind) == extractable.map(\.kind))
      // Numbers are given in path order, from the one after lost+found.
      let expected = Self.inodes(tree)
      let found = try await image.inodes(12..<12 + expected.count)
      #expect(found.count == expected.count)
      for (index, node) in expected.enumerated() {
        let found = found[index]
        let links = node.links(in: tree)
        #expect(
          found == InodeFacts(expecting: node, links: links, size: found?.size ?? 0), "inode \(12 + index)")
      }
      let need = try await Ext4.measure(ListedNodes(tree), hashSeed: options.hashSeed)
      let geometry = try #require(Geometry(blocks: options.size.bytes / 4096, inodes: image.poured.inodes))
      #expect(geometry.blocks - geometry.overhead - need.blocks == image.poured.freeBlocks)
      #expect(need.inodes == image.poured.inodes - image.poured.freeInodes)
    }
  }

  @Test("More names than an inode can have get a second one")
  func manyLinks() async throws {
    try await withScratchDirectory { folder in
      let group = LinkGroup(device: 1, inode: 1)
      let names = [Node.Kind.directory] + Array(repeating: .file(.bytes([65])), count: 65_002)
      let nodes = try names.enumerated().map { index, kind in
        try Node.make(
          index == 0 ? "d" : "d/\(100_000 + index)", kind, linkGroup: index == 0 ? nil : group)
      }
      let image = try await PouredImage(ListedNodes(nodes), .test(), in: folder)
      try await image.check()
      #expect(try await image.debugfs("stat /d/100001").contains("Links: 65000 "))
      #expect(try await image.debugfs("stat /d/165002").contains("Links: 2 "))
      #expect(image.poured.inodes - image.poured.freeInodes == 14)
    }
  }

  /// The nodes that have an inode of their own.
  private static func inodes(_ tree: [Node]) -> [Node] {
    var groups: Set<LinkGroup> = []
    return tree.filter { node in node.linkGroup.map { groups.insert($0).inserted } ?? true }
  }
}

extension Node {
  /// How many names lead to its inode.
  fileprivate func links(in tree: [Node]) -> Int {
    if kind == .directory {
      let slashes = path.bytes.count { $0 == UInt8(ascii: "/") }
      return 2
        + tree.count { other in
          other.kind == .directory && other.path.bytes.starts(with: path.bytes + [UInt8(ascii: "/")])
            && other.path.bytes.count { $0 == UInt8(ascii: "/") } == slashes + 1
        }
    }
    return linkGroup.map { group in tree.count { $0.linkGroup == group } } ?? 1
  }

  /// Whether `rdump` of debugfs knows the type.
  var isExtracted: Bool {
    switch kind {
    case .directory, .file, .symbolicLink: true
    default: false
    }
  }
}
