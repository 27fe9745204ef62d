import Basics
internal import Command
internal import Glibc
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Sfdisk

private func layout(name: String = "ESP", size: UInt64 = 8192) throws -> DiskLayout {
  let guid = try #require(GUID("0fc63daf-8483-4772-8e79-3d69d8477de4"))
  let filesystem = Filesystem(kind: .vfat, label: "ESP", uuid: guid, mountPoint: "/boot")
  return DiskLayout(
    table: .gpt, sectorSize: 512, sectors: 65536,
    guid: try #require(GUID("11111111-2222-4333-8444-555555555555")),
    partitions: [
      Partition(
        number: 1, name: name, type: .efiSystem,
        guid: GUID("21111111-2222-4333-8444-555555555555"), start: 16384, sectors: size,
        filesystem: filesystem),
      Partition(
        number: 3, name: "root", type: .linux,
        guid: GUID("31111111-2222-4333-8444-555555555555"), start: 34, sectors: 2000,
        filesystem: filesystem),
    ])
}

/// Gives the script to sfdisk, as the step does, and reads the table back.
private func partition(_ layout: DiskLayout, in folder: FilePath) async throws -> SfdiskTable {
  let image = folder.appending("disk").string
  let runner = SubprocessRunner()
  try await runner.run("truncate", "--size", "\(layout.size.bytes)", image)
  try await runner.run(Command("/usr/sbin/sfdisk", ["--quiet", image], input: layout.sfdiskScript))
  return try SfdiskTable(json: try await runner.run("/usr/sbin/sfdisk", "--json", image))
}

@Suite("sfdisk")
struct SfdiskTests {
  @Test("the script leaves nothing to sfdisk")
  func script() throws {
    #expect(
      try layout(name: #"a "b" \ é"#).sfdiskScript == #"""
        label: gpt
        label-id: 11111111-2222-4333-8444-555555555555
        unit: sectors
        first-lba: 34

        1 : start=16384, size=8192, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, \#
        uuid=21111111-2222-4333-8444-555555555555, name="a \x22b\x22 \x5c \xc3\xa9"
        3 : start=34, size=2000, type=0fc63daf-8483-4772-8e79-3d69d8477de4, \#
        uuid=31111111-2222-4333-8444-555555555555, name="root"

        """#)
  }

  @Test("sfdisk's table is the layout's", arguments: ["ESP", #"a "b" \ $x `y`"#, "Größe 東京", ""])
  func roundTrip(name: String) async throws {
    try await withScratchDirectory { folder in
      let wanted = try layout(name: name)
      #expect(try await partition(wanted, in: folder).differences(from: wanted) == [])
    }
  }

  @Test("a name that sfdisk has cut is found")
  func cutName() async throws {
    try await withScratchDirectory { folder in
      let wanted = try layout(name: String(repeating: "n", count: 40))
      let differences = try await partition(wanted, in: folder).differences(from: wanted)
      #expect(differences.count == 1)
      #expect(differences.first?.hasPrefix("the name of partition 1 is nnn") == true)
    }
  }

  @Test("a partition past the end is refused by sfdisk")
  func pastTheEnd() async throws {
    try await withScratchDirectory { folder in
      let failure = await #expect(throws: CommandFailure.self) {
        try await partition(try layout(size: 1 << 30), in: folder)
      }
      #expect(failure?.tail.contains { $0.contains("last usable GPT sector") } == true)
    }
  }

  @Test("every other field that differs is named")
  func otherFields() async throws {
    try await withScratchDirectory { folder in
      let table = try await partition(try layout(), in: folder)
      var wanted = try layout()
      wanted.guid = try #require(wanted.partitions[0].guid)
      wanted.sectorSize = 4096
      wanted.partitions[0].type = .guid(wanted.guid)
      wanted.partitions[0].sectors = 100
      wanted.partitions[1].guid = wanted.guid
      wanted.partitions[1].start = 40
      wanted.partitions[1].number = 2
      #expect(
        table.differences(from: wanted) == [
          "the disk's identifier is 11111111-2222-4333-8444-555555555555 instead of \(wanted.guid)",
          "the sector size is 512 instead of 4096",
          "the size of partition 1 is 8192 instead of 100",
          "the type of partition 1 is c12a7328-f81f-11d2-ba4b-00a0c93ec93b instead of \(wanted.guid)",
          "partition 2 is missing",
        ])
    }
  }

  @Test("an MBR has codes and a signature instead of GUIDs")
  func masterBootRecord() async throws {
    try await withScratchDirectory { folder in
      let wanted = DiskLayout(
        table: .mbr, sectorSize: 512, sectors: 65536, guid: try layout().guid,
        partitions: [
          Partition(
            number: 1, name: "root", type: .linuxCode, guid: nil, start: 2048, sectors: 63488,
            filesystem: Filesystem(kind: .ext4, label: "nixos", uuid: nil, mountPoint: "/"))
        ])
      #expect(wanted.sfdiskScript.hasSuffix("type=83, bootable\n"))
      #expect(wanted.sfdiskScript.hasPrefix("label: dos\nlabel-id: 0x11111111\nunit: sectors\n\n1 : "))
      #expect(try await partition(wanted, in: folder).differences(from: wanted) == [])
    }
  }

  @Test("text that is no table is a named failure")
  func noTable() {
    #expect(throws: Fault.self) { try SfdiskTable(json: "sfdisk: cannot open") }
  }
}
