import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import Ext4

@Suite("Directories")
struct DirectoryTests {
  private static let seed = HashSeed(Ext4Options.test().hashSeed.bytes)

  /// Sockets, which cost an inode and nothing else.
  private static func sockets(_ count: Int, length: Int) throws -> [Node] {
    try [Node.directory("d")]
      + (0..<count).map { index in
        let digits = String(index)
        return try .make("d/" + digits + String(repeating: "x", count: length - digits.count), .socket)
      }
  }

  @Test("One block, the first index, an index of two levels", arguments: [14, 15, 16, 400, 9000])
  func sizes(count: Int) async throws {
    try await withScratchDirectory { folder in
      // Fifteen names of 250 bytes fill a block.
      let nodes = try Self.sockets(count, length: 250)
      let image = try await PouredImage(ListedNodes(nodes), .test(.mebibytes(128), inodes: 16384), in: folder)
      try await image.check()
      let listing = try await image.debugfs("ls -p /d")
      #expect(listing.split(separator: "\n").count { $0.contains("xxx") } == count)
      let flags = try await image.debugfs("stat /d")
      #expect(flags.contains("Flags: 0x81000") == (count > 15))
      // Looking a name up goes by the index.
      #expect(try await image.debugfs("stat \(#require(nodes.last).path)").contains("Type: socket"))
    }
  }

  @Test("Names with one hash go on in the next block")
  func collision() async throws {
    var byHash: [UInt32: Int] = [:]
    var collision: (Int, Int)?
    func name(_ index: Int) -> String {
      let digits = String(index)
      return digits + String(repeating: "y", count: 250 - digits.count)
    }
    func hash(_ index: Int) -> UInt32 { Self.seed.hash(Array(name(index).utf8)[...]).major }
    for index in 0..<400_000 where collision == nil {
      if let other = byHash.updateValue(index, forKey: hash(index)) { collision = (other, index) }
    }
    let (first, second) = try #require(collision)
    let shared = hash(first)
    // Fourteen lower ones, and the first of the pair, fill the block before.
    let lower = byHash.filter { $0.key < shared }.values.sorted().prefix(14)
    let higher = byHash.filter { $0.key > shared }.values.sorted().prefix(14)
    try #require(lower.count == 14)
    let indices = Array(lower) + [first, second] + Array(higher)
    var entries = DirectoryEntries()
    for index in indices.sorted() { entries.append(name: Array(name(index).utf8), inode: 12, type: 6) }
    let layout = try DirectoryLayout(entries, seed: Self.seed, path: .root)
    #expect(layout.leaves.map(\.range.count) == [15, 15])
    #expect(layout.leaves.last?.hash == shared | 1)
    try await withScratchDirectory { folder in
      let nodes = try [Node.directory("d")] + indices.map { try Node.make("d/" + name($0), .socket) }
      let image = try await PouredImage(ListedNodes(nodes), .test(), in: folder)
      try await image.check()
    }
  }

  @Test("More levels than ext4 has by default need large_dir, and more than that are refused")
  func levels() {
    #expect(DirectoryLayout.levels(leaves: 507) == [])
    #expect(DirectoryLayout.levels(leaves: 508) == [1])
    #expect(DirectoryLayout.levels(leaves: 511) == [2])
    #expect(DirectoryLayout.levels(leaves: 507 * 510) == [507])
    #expect(DirectoryLayout.levels(leaves: 507 * 510 + 1) == [1, 508])
  }
}
