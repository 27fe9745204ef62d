import Basics
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import Ext4

@Suite("Refusals")
struct RefusalTests {
  private func failure(_ nodes: [Node], sorted: Bool = true, _ options: Ext4Options = .test()) async throws
    -> Fault?
  {
    try await withScratchDirectory { folder in
      let source: any NodeSource = sorted ? ListedNodes(nodes) : GivenNodes(nodes: nodes[...])
      return await #expect(throws: Fault.self) {
        _ = try await PouredImage(source, options, in: folder)
      }
    }
  }

  private func path(_ text: String) throws -> TreePath { try #require(TreePath(text)) }

  @Test("Trees that are none")
  func trees() async throws {
    #expect(try await failure([.file("a/b")]) == .noDirectory(path("a/b")))
    #expect(try await failure([.file("a"), .file("a/b")]) == .noDirectory(path("a/b")))
    #expect(try await failure([.file("a"), .file("a")]) == .duplicate(path("a")))
    #expect(
      try await failure([.file("b"), .file("a")], sorted: false) == .outOfOrder(path("a"), after: path("b")))
    for node in [
      try Node.directory("lost+found"), try .make("a", .symbolicLink(target: [])),
      try .make("a", .symbolicLink(target: Array(repeating: 97, count: 4096))),
      try .make("a", .fifo, extended: [ExtendedAttribute(name: "other.x", value: [])]),
      try .make(
        "a", .fifo, extended: [ExtendedAttribute(name: "user.x", value: Array(repeating: 1, count: 4096))]),
    ] {
      let fault = try await failure([node])
      #expect(fault?.cause.hasPrefix("'\(node.path)' cannot be on ext4: ") == true)
      #expect(fault?.kind == .badInput)
    }
  }

  @Test("Names that are none", arguments: [".", "..", "a/..", "a\0", String(repeating: "x", count: 256)])
  func names(text: String) {
    #expect(TreePath(text) == nil)
  }

  @Test("A filesystem that is full says what was too much")
  func full() async throws {
    let large = try Node.file("large", Array(repeating: 1, count: 6 << 20))
    let full = try #require(try await failure([large], .test(.mebibytes(4))))
    #expect(full.kind == .failed)
    let text =
      /the filesystem is full: '\/large' needs 6.0 MiB and ([0-3]\.[0-9]) MiB are left; make it larger/
    #expect(full.cause.wholeMatch(of: text) != nil, "\(full)")
    let nodes = try (100..<200).map { try Node.file("\($0)") }
    #expect(try await failure(nodes, .test(inodes: 32)) == .noInodes(path("121"), have: 32))
  }

  @Test("Options that make no filesystem")
  func options() async throws {
    var cases: [Ext4Options] = [.test(ByteSize(bytes: 100_000)), .test(.mebibytes(1 << 25))]
    for change: (inout Ext4Options) -> Void in [
      { $0.label = String(repeating: "x", count: 17) }, { $0.time = 0 }, { $0.reservedPercent = 51 },
    ] {
      var options = Ext4Options.test()
      change(&options)
      cases.append(options)
    }
    for options in cases {
      let fault = try await failure([], options)
      #expect(fault?.cause.hasPrefix("no ext4 filesystem can be made this way: ") == true, "\(options)")
    }
  }

  @Test("An image that cannot be made is named")
  func image() async throws {
    let file = FilePath("/nonexistent/image")
    await #expect(throws: Fault.image(file, doing: "open", .noSuchFileOrDirectory)) {
      _ = try await Ext4.pour(ListedNodes([]), to: file, .test())
    }
  }

  @Test("Cancelling ends a pour between two nodes", .timeLimit(.minutes(1)))
  func cancelling() async throws {
    try await withScratchDirectory { folder in
      let pour = Task { try await PouredImage(EndlessNodes(), .test(), in: folder) }
      try await Task.sleep(for: .milliseconds(50))
      pour.cancel()
      await #expect(throws: CancellationError.self) { _ = try await pour.value }
    }
  }

  @Test("Cancelling ends the work on one file, however large it is")
  func cancellingWithinAFile() async throws {
    try await withScratchDirectory { folder in
      let node = try Node.file("a", Array(repeating: 1, count: 1 << 20))
      let options = Ext4Options.test()
      await #expect(throws: CancellationError.self) {
        try await whenCancelled { try TreeMeter(hashSeed: options.hashSeed).store(node, inode: 12) }
      }
      let image = folder.appending("image")
      await #expect(throws: CancellationError.self) {
        try await whenCancelled {
          let file = try FileDescriptor.open(
            image, .readWrite, options: [.create], permissions: .ownerReadWrite)
          defer { try? file.close() }
          try file.resize(to: Int64(options.size.bytes))
          let writer = TreeWriter(
            try FilesystemHandle(options, file: image),
            writer: ImageWriter(file, path: image, offset: options.offset, sharesBlocks: true),
            options: options)
          try writer.store(node, inode: 12)
        }
      }
      let host = HostFile(
        path: image, size: options.size.bytes, modified: Timestamp(seconds: 1), mayHaveHoles: true)
      await #expect(throws: CancellationError.self) {
        try await whenCancelled {
          let copy = try FileDescriptor.open(
            folder.appending("copy"), .writeOnly, options: [.create], permissions: .ownerReadWrite)
          defer { try? copy.close() }
          try host.copy(to: copy.rawValue) { $0 }
        }
      }
    }
  }

  @Test("What is around the filesystem stays, and what was in its place does not show")
  func offset() async throws {
    try await withScratchDirectory { folder in
      var options = Ext4Options.test(.mebibytes(8))
      let nodes = ListedNodes([try .file("a", Array("hello".utf8))])
      let fresh = try await PouredImage(nodes, options, in: folder, name: "fresh")
      options.offset = ByteSize(bytes: (1 << 20) + 512)
      let disk = folder.appending("disk")
      let shell = SubprocessRunner()
      try await shell.run("sh", "-c", "head -c 12M /dev/zero | tr '\\0' x > \(disk)")
      _ = try await Ext4.pour(nodes, to: disk, options)
      try await shell.run(
        "cmp", "-n", "\(8 << 20)", "-i", "\((1 << 20) + 512):0", disk.string, fresh.file.string)
      let around =
        "head -c \((1 << 20) + 512) \(disk) | tr -d x; tail -c +\((9 << 20) + 513) \(disk) | tr -d x"
      #expect(try await shell.run("sh", "-c", around) == "")
    }
  }
}

/// Nodes in the order in which they are given.
private struct GivenNodes: NodeSource {
  var nodes: ArraySlice<Node>

  mutating func next() -> Node? { nodes.popFirst() }
}

private struct EndlessNodes: NodeSource {
  private var index = 0

  mutating func next() -> Node? {
    index += 1
    let digits = String(index)
    usleep(1000)
    return try? .make(String(repeating: "0", count: 10 - digits.count) + digits, .fifo)
  }
}
