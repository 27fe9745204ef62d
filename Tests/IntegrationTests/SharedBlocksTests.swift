import Command
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// Pours on filesystems of the host that let files share blocks.
@Suite(.virtualMachines, .enabled(if: getuid() == 0, "needs root, for loop devices"))
struct SharedBlocksTests {
  /// Files of whole blocks and of others, with chunks of zeros and without: a name, and what fills each chunk of 64 KiB.
  private static let files: [(name: String, chunks: [UInt8], tail: Int)] = [
    ("empty", [], 0), ("small", [], 100), ("block", [], 4096), ("almost", [], 8191), ("chunk", [1], 0),
    ("large", Array(1...40), 5000), ("holes", [0, 1, 0, 0, 2, 0], 0), ("zeros", [0, 0, 0], 0),
    ("end", [3, 0], 4097),
  ]

  @Test(arguments: ["xfs", "btrfs"]) func aPourSharesWholeBlocksAndGivesTheSameBytes(kind: String)
    async throws
  {
    try await withScratchDirectory { scratch in
      try await Self.withFilesystem(kind, in: scratch) { mounted in
        let tree = mounted.appending("tree")
        try Self.makeFiles(in: tree)
        let elsewhere = scratch.appending("elsewhere")
        try await SubprocessRunner().run("cp", "-a", tree.string, elsewhere.string)

        let shared = try await Self.pour(tree, to: mounted.appending("shared.img"))
        let copied = try await Self.pour(tree, to: mounted.appending("copied.img"), sharesBlocks: false)
        let outside = try await Self.pour(elsewhere, to: mounted.appending("outside.img"))
        let digests = try await SubprocessRunner().run(
          Command("sha256sum", [shared, copied, outside].map(\.string)))
        #expect(Set(digests.split(separator: "\n").map { $0.prefix(64) }).count == 1, "\(digests)")
        #expect(try await FilesystemCheck.remarks(on: shared) == [])

        // 40 chunks and a block of `large`, four of others, and three blocks of short files, at least.
        #expect(try await Self.sharedBlocks(of: shared) >= 44 * 16)
        #expect(try await Self.sharedBlocks(of: copied) == 0)
        #expect(try await Self.sharedBlocks(of: outside) == 0)
      }
    }
  }

  @Test func blocksAreSharedAcrossBindMountsAndTheImageIsItsOwn() async throws {
    try await withScratchDirectory { scratch in
      try await Self.withFilesystem("xfs", in: scratch) { mounted in
        let tree = mounted.appending("tree")
        try Self.makeFiles(in: tree)
        let bound = scratch.appending("bound")
        try await SubprocessRunner().run("mkdir", bound.string)
        try await SubprocessRunner().run("mount", "--bind", tree.string, bound.string)
        let image = mounted.appending("shared.img")
        do {
          _ = try await Self.pour(bound, to: image)
          try await SubprocessRunner().run("umount", bound.string)
        } catch {
          _ = try? await SubprocessRunner().run("umount", bound.string)
          throw error
        }
        #expect(try await Self.sharedBlocks(of: image) >= 44 * 16)
        let before = try await SubprocessRunner().run("sha256sum", image.string)
        // What shares blocks with the image is written to, and goes.
        let large = tree.appending("large")
        try await SubprocessRunner().run(
          "dd", "if=/dev/urandom", "of=\(large)", "bs=64K", "count=8", "conv=notrunc,fsync", "status=none")
        try await SubprocessRunner().run("rm", "-r", tree.string)
        #expect(try await SubprocessRunner().run("sha256sum", image.string) == before)
      }
    }
  }

  private static func makeFiles(in folder: FilePath) throws {
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    for (name, chunks, tail) in files {
      var bytes = chunks.flatMap { [UInt8](repeating: $0, count: 64 << 10) }
      bytes += [UInt8](repeating: 0xee, count: tail)
      try Data(bytes).write(to: URL(filePath: folder.appending(name).string))
    }
  }

  private static func pour(
    _ tree: FilePath, to image: FilePath, sharesBlocks: Bool = true
  ) async throws -> FilePath {
    let identifier = GUID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef)
    let options = Ext4Options(
      size: .mebibytes(64), uuid: identifier, hashSeed: identifier,
      sharesBlocks: sharesBlocks)
    let nodes = FileTree([.init(host: tree, path: .root)], rules: .storeObjects)
    _ = try await Ext4.pour(nodes, to: image, options)
    return image
  }

  /// How many blocks of a file are another's as well, as the filesystem itself says (FIEMAP).
  private static func sharedBlocks(of file: FilePath) async throws -> Int {
    let extents = try await SubprocessRunner().run("filefrag", "-v", file.string)
    return extents.split(separator: "\n").filter { $0.contains("shared") }.reduce(0) { sum, line in
      // ext: logical_offset: physical_offset: length: expected: flags
      let fields = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
      return sum + (fields.count > 3 ? Int(fields[3]) ?? 0 : 0)
    }
  }

  /// Runs `body` with the mount point of an empty filesystem.
  private static func withFilesystem(
    _ kind: String, in scratch: FilePath, _ body: (FilePath) async throws -> Void
  ) async throws {
    let (file, mountPoint) = (scratch.appending("\(kind).img").string, scratch.appending("mounted").string)
    let runner = SubprocessRunner()
    try await runner.run("truncate", "-s", "512M", file)
    try await runner.run("mkfs.\(kind)", "-q", file)
    try await runner.run("mkdir", mountPoint)
    try await runner.run("mount", "-o", "loop", file, mountPoint)
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await body(FilePath(mountPoint)))
    } catch {
      outcome = .failure(error)
    }
    try await runner.run("umount", mountPoint)
    try outcome.get()
  }
}
