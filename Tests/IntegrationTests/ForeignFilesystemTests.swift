import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Filesystems that libguestfs's machine reads.
@Suite(.virtualMachines, .serialized) struct ForeignFilesystemTests {
  private let runner = SubprocessRunner()

  @Test("A filesystem of another kind is compared by file and field", arguments: ["xfs", "btrfs"])
  func filesAreCompared(kind: String) async throws {
    try await withScratchDirectory { scratch in
      var images: [FilePath] = []
      for (name, content) in [("left", "one"), ("right", "two")] {
        let tree = scratch.appending("\(name)-tree")
        try FileManager.default.createDirectory(
          atPath: tree.appending("folder").string, withIntermediateDirectories: true)
        try Data(content.utf8).write(to: URL(fileURLWithPath: tree.appending("folder/file").string))
        let image = scratch.appending("\(name).img")
        try await make(kind, of: tree, image)
        images.append(image)
      }
      let result = try await SlipwayCommand.run(["diff", "--json", images[0].string, images[1].string])
      try #require(result.status == 1, "\(result.errors)")
      let found = try JSONDecoder().decode(ImageDifferences.self, from: Data(result.output.utf8))
      #expect(found.notes == [])
      #expect(Set(found.differences.map(\.region)) == ["disk (\(kind))"])
      #expect(found.differences.contains { $0.path == "/folder/file" && $0.field == "content" }, "\(found)")
      let same = try await SlipwayCommand.run(["diff", images[0].string, images[0].string])
      #expect(same.status == 0)
      #expect(try await guests(of: scratch) == [])
    }
  }

  @Test func aDamagedFilesystemIsSaidToBeOneAndItsBytesAreCompared() async throws {
    try await withScratchDirectory { scratch in
      let (good, damaged) = (scratch.appending("good.img"), scratch.appending("damaged.img"))
      try await runner.run("mke2fs", "-q", "-t", "ext4", good.string, "64M")
      try await runner.run("cp", good.string, damaged.string)
      // The size of an inode.
      let patch = "printf '\\377\\377' | dd of=\(damaged) bs=1 seek=\(1024 + 0x58) conv=notrunc status=none"
      try await runner.run("sh", "-c", patch)
      let result = try await SlipwayCommand.run(["diff", "--json", good.string, damaged.string])
      #expect(result.status == 1, "\(result.errors)")
      let found = try JSONDecoder().decode(ImageDifferences.self, from: Data(result.output.utf8))
      #expect(!found.differences.isEmpty)
      #expect(found.notes.contains { $0.contains("contradicts itself") }, "\(found)")
      #expect(try await guests(of: scratch) == [])
    }
  }

  /// Without mounting it.
  private func make(_ kind: String, of tree: FilePath, _ image: FilePath) async throws {
    let uuid = "11111111-2222-4333-8444-555555555555"
    try await runner.run("truncate", "-s", "330M", image.string)
    guard kind == "xfs" else {
      try await runner.run("mkfs.btrfs", "-q", "-U", uuid, "-r", tree.string, image.string)
      return
    }
    let list = tree.removingLastComponent().appending("list")
    let file = "file ---644 0 0 \(tree.appending("folder/file"))"
    let text = "/dev/null\n0 0\nd--755 0 0\nfolder d--755 0 0\n\(file)\n$\n$\n"
    try Data(text.utf8).write(to: URL(fileURLWithPath: list.string))
    try await runner.run("mkfs.xfs", "-q", "-m", "uuid=\(uuid)", "-p", list.string, image.string)
  }
}
