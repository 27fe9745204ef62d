internal import AgentProtocol
internal import Command
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private func filesystem(_ kind: FilesystemKind, label: String = "LABEL") throws -> Filesystem {
  Filesystem(
    kind: kind, label: label, uuid: try #require(GUID("9abcdef0-1234-4678-9abc-def012345678")),
    mountPoint: "/")
}

@Suite("makeFilesystem")
struct MakeFilesystemTests {
  @Test(
    "the filesystem has the identifiers given",
    arguments: [(.xfs, 320), (.btrfs, 128), (.vfat, 64)] as [(FilesystemKind, UInt64)])
  func identifiers(kind: FilesystemKind, mebibytes: UInt64) async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "\(mebibytes)M", image)
      let wanted = try filesystem(kind)
      var command = try #require(wanted.makeCommand(node: image, size: mebibytes << 20))
      command.executable = "/usr/sbin/" + command.executable
      try await runner.run(command)
      let found = try await runner.run("/usr/sbin/blkid", "--output", "export", "--probe", image)
      let lines = found.split(separator: "\n")
      #expect(lines.contains("TYPE=\(kind.rawValue)"))
      #expect(lines.contains("UUID=\(wanted.deviceUUID)"))
      #expect(lines.contains("LABEL=LABEL"))
    }
  }

  @Test("what the host makes is refused", arguments: [FilesystemKind.ext4, .erofs, .squashfs])
  func hostOnly(kind: FilesystemKind) throws {
    #expect(try filesystem(kind).makeCommand(node: "/dev/vda2", size: 1 << 30) == nil)
  }

  @Test(
    "FAT32 as soon as it is possible, with clusters as large as possible",
    arguments: [(32, nil), (34, 1), (66, 2), (131, 4), (256, 4), (260, 8), (1024, 8)] as [(UInt64, Int?)])
  func fat(mebibytes: UInt64, sectorsPerCluster: Int?) async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "\(mebibytes)M", image)
      var command = try #require(try filesystem(.vfat).makeCommand(node: image, size: mebibytes << 20))
      command.executable = "/usr/sbin/" + command.executable
      let output = try await runner.run(command)
      #expect(!output.contains("WARNING"))
      if let sectorsPerCluster {
        #expect(command.arguments.contains("32"))
        #expect(command.arguments.contains("\(sectorsPerCluster)"))
      } else {
        #expect(!command.arguments.contains("-F"))
      }
      try await runner.run("/usr/sbin/fsck.fat", "-n", image)
    }
  }
}
