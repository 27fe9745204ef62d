internal import AgentProtocol
internal import Command
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private func filesystem(_ kind: FilesystemKind, label: String = "LABEL") throws -> Filesystem {
  let uuid = try #require(GUID("9abcdef0-1234-4678-9abc-def012345678"))
  return Filesystem(kind: kind, label: label, uuid: uuid, mountPoint: "/")
}

@Suite("makeFilesystem")
struct MakeFilesystemTests {
  @Test(
    "the filesystem has the identifiers given",
    arguments: [
      (.ext2, 1), (.ext3, 8), (.ext4, 8), (.xfs, 320), (.btrfs, 128), (.f2fs, 64), (.vfat, 64), (.swap, 1),
    ] as [(FilesystemKind, UInt64)])
  func identifiers(kind: FilesystemKind, mebibytes: UInt64) async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "\(mebibytes)M", image)
      let wanted = try filesystem(kind)
      var command = try #require(try wanted.makeCommand(node: image, size: mebibytes << 20))
      command.executable = "/usr/sbin/" + command.executable
      try await runner.run(command)
      let found = try await runner.run("/usr/sbin/blkid", "--output", "export", "--probe", image)
      let lines = found.split(separator: "\n")
      #expect(lines.contains("TYPE=\(kind.rawValue)"))
      #expect(lines.contains("UUID=\(wanted.deviceUUID)"))
      #expect(lines.contains("LABEL=LABEL"))
    }
  }

  @Test(
    "the least size that a kind is said to need is enough",
    arguments: [FilesystemKind.ext2, .ext3, .ext4, .xfs, .btrfs, .f2fs, .vfat, .swap])
  func least(kind: FilesystemKind) async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "\(kind.least.bytes)", image)
      var command = try #require(try filesystem(kind).makeCommand(node: image, size: kind.least.bytes))
      command.executable = "/usr/sbin/" + command.executable
      try await runner.run(command)
    }
  }

  @Test("a kind that is not known gets the words of the user, and no others")
  func unknown() throws {
    let kind = try #require(FilesystemKind(rawValue: "jfs"))
    let made = Filesystem(kind: kind, label: "", uuid: nil, mountPoint: "/")
    #expect(
      try made.makeCommand(node: "/dev/vda2", size: 1 << 30, options: ["-q", "-L", "x"])
        == Command("mkfs.jfs", ["-q", "-L", "x", "/dev/vda2"]))
  }

  @Test(
    "on 4096-byte sectors FAT32 begins where its least clusters are sectors",
    arguments: [259, 260] as [UInt64])
  func largeSectors(mebibytes: UInt64) async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "\(mebibytes)M", image)
      var command = try #require(
        try filesystem(.vfat).makeCommand(node: image, size: mebibytes << 20, sectorSize: 4096))
      #expect(command.arguments.contains("32"))
      command.executable = "/usr/sbin/" + command.executable
      command.arguments = ["-S", "4096"] + command.arguments
      #expect(try await !runner.run(command).contains("WARNING"))
      try await runner.run("/usr/sbin/fsck.fat", "-n", image)
    }
  }

  @Test("words of a user are merged with Slipway's: the identifiers stay, whatever else is asked for")
  func merged() async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "64M", image)
      var wanted = try filesystem(.ext4)
      wanted.inodes = 5000
      var command = try #require(
        try wanted.makeCommand(
          node: image, size: 64 << 20,
          options: ["-E", "stride=2", "-Estripe_width=4", "-qm0", "-i", "65536"]))
      command.executable = "/usr/sbin/" + command.executable
      #expect(command.arguments.filter { $0 == "-E" }.count == 1)
      try await runner.run(command)
      let facts = try await runner.run("/usr/sbin/dumpe2fs", "-h", image)
        .split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
      let uuid = try #require(wanted.uuid)
      #expect(facts.contains("Directory Hash Seed: \(uuid)"))
      #expect(facts.contains("Filesystem UUID: \(uuid)"))
      #expect(facts.contains("RAID stride: 2") && facts.contains("RAID stripe width: 4"))
      #expect(facts.contains("Reserved block count: 0"))
      #expect(facts.contains("Inode count: 1024"))
    }
  }

  @Test("xfs takes several -m, and keeps the UUID")
  func mergedXFS() async throws {
    try await withScratchDirectory { folder in
      let image = folder.appending("disk").string
      let runner = SubprocessRunner()
      try await runner.run("truncate", "--size", "320M", image)
      let wanted = try filesystem(.xfs)
      var command = try #require(
        try wanted.makeCommand(node: image, size: 320 << 20, options: ["-m", "reflink=0", "-i", "size=1024"]))
      command.executable = "/usr/sbin/" + command.executable
      #expect(try await runner.run(command).contains("Metadata") == false)
      let found = try await runner.run("/usr/sbin/blkid", "--output", "export", "--probe", image)
      #expect(found.contains("UUID=\(wanted.deviceUUID)\n"))
    }
  }

  @Test("what the host makes is refused", arguments: [FilesystemKind.erofs, .squashfs])
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
