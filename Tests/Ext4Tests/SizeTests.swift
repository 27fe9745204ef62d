import Basics
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite("Sizes")
struct SizeTests {
  /// A megabyte of a few files, or very many files of nothing.
  private static let needs = [TreeNeed(blocks: 300, inodes: 100), TreeNeed(blocks: 1500, inodes: 100_011)]

  @Test("Free space is what was asked for", arguments: needs, [0, 64, 512, 4096, 20_000] as [UInt64])
  func room(need: TreeNeed, mebibytes: UInt64) async throws {
    let room = ByteSize.mebibytes(mebibytes)
    let sized = try #require(need.filesystem(room: room))
    try await withScratchDirectory { folder in
      let image = try await PouredImage(
        ListedNodes([]), .test(sized.size, inodes: sized.inodes), in: folder)
      try await image.check()
      // An empty filesystem uses five blocks of its own, which a tree's need holds as well.
      let free = image.poured.freeBlocks + 5 - need.blocks
      let geometry = try #require(Geometry(blocks: sized.size.bytes / 4096, inodes: sized.inodes))
      let available = (free - min(free, geometry.kernelReserve)) * 4096
      #expect(available >= room.bytes)
      #expect(available <= room.bytes + max(room.bytes / 100, 2 << 20))
      #expect(geometry.available(after: need).map { $0 * 4096 } == available)
      #expect(image.poured.inodes >= need.inodes + room.bytes / 16384)
    }
  }

  @Test("The layout is libext2fs's, for any size and number of inodes")
  func geometry() async throws {
    var generator = SeededGenerator(seed: 7)
    try await withScratchDirectory { folder in
      for _ in 0..<60 {
        let blocks = UInt64.random(
          in: 64...(1 << UInt64.random(in: 7...24, using: &generator)), using: &generator)
        let inodes = UInt64.random(in: 1...blocks, using: &generator)
        let options = Ext4Options.test(ByteSize(bytes: blocks * 4096), inodes: inodes)
        let file = folder.appending("image")
        let geometry = Geometry(blocks: blocks, inodes: inodes)
        do {
          let poured = try await Ext4.pour(ListedNodes([]), to: file, options)
          #expect(geometry?.blocks == poured.blocks, "\(blocks) blocks, \(inodes) inodes")
          #expect(geometry?.inodes == poured.inodes, "\(blocks) blocks, \(inodes) inodes")
          let used = poured.blocks - poured.freeBlocks - 5
          // The journal may be in one extent more than its length needs, and then in a block of extents.
          #expect(geometry.map { used - $0.overhead <= 1 } == true, "\(blocks) blocks, \(inodes) inodes")
        } catch let error as Fault {
          // Without any tree the five blocks may be the ones too many.
          #expect(geometry.map { $0.overhead + 5 >= $0.blocks } ?? true, "\(blocks), \(inodes): \(error)")
        }
        try? FileManager.default.removeItem(atPath: file.string)
      }
    }
  }

  @Test("What cannot be is not sized")
  func impossible() {
    #expect(Geometry(blocks: 10, inodes: 100) == nil)
    #expect(Geometry(blocks: 1 << 20, inodes: 1 << 30) == nil)
    #expect(TreeNeed(blocks: 1 << 33, inodes: 11).filesystem(room: ByteSize(bytes: 0)) == nil)
  }
}
