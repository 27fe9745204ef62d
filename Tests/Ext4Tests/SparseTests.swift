import Command
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite("Sparse files")
struct SparseTests {
  /// A length, and where the file has 100 bytes that are not zeros.
  struct Layout: CustomTestStringConvertible {
    var size: UInt64
    var data: [UInt64]
    var testDescription: String { "\(size) bytes" }
  }

  private static let layouts = [
    Layout(size: 5 << 30, data: [0, (4 << 30) - 50, (5 << 30) - 100]),
    Layout(size: (1 << 40) + 1, data: [1 << 39, (1 << 40) - 99]),
    // As long as a file can be, and nothing but a hole before its end.
    Layout(size: (1 << 44) - 4096, data: [(1 << 44) - 4096 - 100]),
  ]

  @Test("Of gigabytes and terabytes only the chunks with data are there", arguments: layouts)
  func sparse(layout: Layout) async throws {
    try await withScratchDirectory { folder in
      let source = folder.appending("source")
      try Self.make(source, layout)
      let tree = FileTree([.init(host: source, path: try #require(TreePath("file")))])
      let image = try await PouredImage(tree, .test(), in: folder)
      try await image.check()
      let facts = try await image.debugfs("stat /file")
      #expect(facts.contains("Size: \(layout.size)\n"))
      let extents = try await image.extents(of: "/file")
      // Of the last chunk, the blocks up to the end of the file.
      let chunks = layout.data.flatMap { [$0 / 65536, ($0 + 99) / 65536] }
      let blocks = Set(chunks.flatMap { $0 * 16..<$0 * 16 + 16 })
      #expect(Set(extents.flatMap(\.logical)) == blocks.filter { $0 * 4096 < layout.size })
      for extent in extents { #expect(try image.holds(extent, of: source)) }
      let need = try await Ext4.measure(tree, hashSeed: Ext4Options.test().hashSeed)
      #expect(need.blocks == UInt64(extents.flatMap(\.logical).count) + 5)
    }
  }

  private static func make(_ file: FilePath, _ layout: Layout) throws {
    let descriptor = try FileDescriptor.open(
      file, .readWrite, options: [.create, .exclusiveCreate], permissions: [.ownerReadWrite])
    try descriptor.closeAfter {
      try descriptor.resize(to: Int64(layout.size))
      for offset in layout.data {
        try descriptor.writeAll(toAbsoluteOffset: Int64(offset), Array(repeating: UInt8(0xa5), count: 100))
      }
    }
  }
}

/// A row of blocks of a file.
private struct Extent {
  var logical: Range<UInt64>
  var physical: UInt64
}

extension PouredImage {
  fileprivate func extents(of path: String) async throws -> [Extent] {
    let listing = try await debugfs("dump_extents -l \(path)")
    return listing.matches(of: /(\d+) - +(\d+) +(\d+) - +(\d+) +(\d+)/).compactMap { match in
      guard let first = UInt64(match.1), let last = UInt64(match.2), let physical = UInt64(match.3) else {
        return nil
      }
      return Extent(logical: first..<last + 1, physical: physical)
    }
  }

  /// Whether the image has the source's bytes in an extent, and zeros after their end.
  fileprivate func holds(_ extent: Extent, of source: FilePath) throws -> Bool {
    let count = extent.logical.count * Ext4Options.blockSize
    func read(_ file: FilePath, at block: UInt64) throws -> [UInt8] {
      let descriptor = try FileDescriptor.open(file, .readOnly)
      return try descriptor.closeAfter {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = try bytes.withUnsafeMutableBytes {
          try descriptor.read(fromAbsoluteOffset: Int64(block) * Int64(Ext4Options.blockSize), into: $0)
        }
        return bytes
      }
    }
    return try read(file, at: extent.physical) == read(source, at: extent.logical.lowerBound)
  }
}
