import Command
import Foundation
import ImageBuilder
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// Roots that are copied, swap, further partitions and large sectors, under the eyes of independent checkers.
@Suite(.virtualMachines, .serialized) struct DiskTests {
  private let runner = SubprocessRunner()

  @Test("A28: an f2fs root with swap and a data partition boots, and the swap is one")
  func f2fsWithSwapAndDataBoots() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let greeting = scratch.appending("greeting")
      try Data("hello\n".utf8).write(to: URL(fileURLWithPath: greeting.string))
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("f2fs"), "--out", out.string, "--fs-type", "f2fs",
        "--mkfs-option", "-O", "--mkfs-option", "extra_attr,inode_checksum", "--swap-size", "64M",
        "--partitions", "data:96M:ext3:/srv:stuff", "--contents", "\(greeting):/srv/greeting",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let session = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch,
        commands: [
          ConsoleChecks.definition, ConsoleChecks.check("root", "grep -q \" / f2fs \" /proc/mounts"),
          ConsoleChecks.check("A28", "swapon $(findfs LABEL=swap) && grep -q partition /proc/swaps"),
          ConsoleChecks.end,
        ], until: ConsoleChecks.ended)
      #expect(ConsoleChecks.missing(["root", "A28"], in: session) == [], "\(session.suffix(3000))")
      let image = DiskImage(out.appending("nixos.img"))
      try await image.check(root: "f2fs", scratch: scratch)
      let disk = try manifest(in: out).disk
      let partitions = try await image.partitions()
      #expect(partitions.map(\.name) == ["ESP", "root", "swap", "data"])
      #expect(partitions.map(\.start).max() == partitions[1].start)
      #expect(partitions[2].type.lowercased() == "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")

      let facts = try await [
        facts(scratch.appending("root")), facts(image.carve(2, to: scratch.appending("swap"))),
        facts(image.carve(3, to: scratch.appending("data"))),
      ]
      #expect(facts.map { $0["TYPE"] } == ["f2fs", "swap", "ext3"])
      #expect(facts.map { $0["LABEL"] } == ["nixos", "swap", "stuff"])
      #expect(facts.map { $0["UUID"] } == disk.partitions[1...].map { $0.filesystem?.uuid?.description })
      let data = scratch.appending("data").string
      try await runner.run("e2fsck", "-fn", data)
      #expect(try await runner.run("debugfs", "-R", "cat /greeting", data).contains("hello"))
    }
  }

  /// Made by a tool that Slipway knows nothing of, with the user's words.
  @Test func aFilesystemOfTheUsersToolBoots() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("f2fs"), "--out", out.string, "--fs-type", "jfs",
        "--appliance-tool", "mkfs.jfs", "--mkfs-option", "-q", "--mkfs-option", "-L", "--mkfs-option",
        "nixos", "--additional-space", "64M", "--verify",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let root = try await DiskImage(out.appending("nixos.img")).carve(1, to: scratch.appending("root"))
      try await runner.run("fsck.jfs", "-n", "-f", root.string)
      #expect(try await facts(root)["LABEL"] == "nixos")
    }
  }

  @Test func ext3HasTheSpaceThatWasAskedForAndBoots() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", out.string, "--fs-type", "ext3",
        "--additional-space", "64M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      try await DiskImage(out.appending("nixos.img")).check(root: "ext3", scratch: scratch)
      #expect(try await facts(scratch.appending("root"))["TYPE"] == "ext3")
      let free = try await FreeSpace.inside(
        out.appending("nixos.img"), variables: out.appending("efi-vars.fd"), scratch: scratch)
      #expect(free >= 64 << 20)
    }
  }

  @Test func aDiskOfLargeSectorsBoots() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", out.string, "--sector-size", "4096",
        "--additional-space", "16M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let image = out.appending("nixos.img")
      let disk = try manifest(in: out).disk
      #expect(disk.sectorSize == 4096)
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: image.string))
      try file.seek(toOffset: 4096)
      #expect(try file.read(upToCount: 8) == Data("EFI PART".utf8))
      // By the GUID alone: bootctl of systemd 252 counts in 512 bytes on every disk.
      let entry = try #require(try await VirtFirmware.linuxBootManager(in: out.appending("efi-vars.fd")))
      #expect(entry.partition.lowercased() == disk.partitions[0].guid?.description)
      for (partition, checker) in zip(disk.partitions, [["fsck.fat", "-n"], ["e2fsck", "-fn"]]) {
        let part = scratch.appending(partition.name).string
        try await runner.run(
          "dd", "if=\(image)", "of=\(part)", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes",
          "skip=\(partition.start * 4096)", "count=\(partition.sectors * 4096)", "status=none")
        try await runner.run(Command(checker[0], [checker[1], part]))
      }
      let verified = try await SlipwayCommand.run(["verify", out.string])
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  /// No machine is started for these.
  @Test func whatTheApplianceCannotMakeIsRefused() async throws {
    try await withScratchDirectory { scratch in
      func refusal(_ arguments: [String]) async throws -> SlipwayCommand.Result {
        try await SlipwayCommand.run(
          ["build", "--system", "/nix/store/none", "--out", scratch.appending("r").string] + arguments)
      }
      let noTool = try await refusal(["--fs-type", "jfs"])
      #expect(noTool.status == 2)
      #expect(noTool.cause.contains("fsType") && noTool.errors.contains("--appliance-tool mkfs.jfs"))
      let noData = try await refusal(["--partitions", "data:1G:jfs"])
      #expect(noData.status == 2)
      #expect(noData.cause.contains("partitions"))
      let noDriver = try await refusal(["--fs-type", "nodriver", "--appliance-tool", "mkfs.nodriver"])
      #expect(noDriver.status == 3)
      #expect(noDriver.cause.contains("nodriver") && noDriver.errors.contains("linux-image-amd64"))
    }
  }

  private func manifest(in out: FilePath) throws -> Manifest {
    let data = try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string))
    return try JSONDecoder().decode(Manifest.self, from: data)
  }

  /// What blkid says of a partition in a file of its own.
  private func facts(_ file: FilePath) async throws -> [String: String] {
    let printed = try await runner.run("blkid", "--probe", "--output", "export", file.string)
    return printed.split(separator: "\n").reduce(into: [:]) { facts, line in
      let sides = line.split(separator: "=", maxSplits: 1)
      if sides.count == 2 { facts[String(sides[0])] = String(sides[1]) }
    }
  }
}
