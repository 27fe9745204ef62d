import Command
import EFIVariables
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// The logical partitions of an MBR: those that sfdisk writes, and chains that nobody would.
@Suite struct LogicalPartitionTests {
  private static let sectors = 65536

  private func table(of disk: FilePath) throws -> DiskTable {
    try DiskFile.with(disk) { try DiskTable(of: $0, sectorSize: nil) }
  }

  @Test func thoseOfSfdiskAreListed() async throws {
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk")
      try HostFiles.makeSparseFile(disk, bytes: UInt64(Self.sectors) * 512)
      let script = """
        label: dos
        unit: sectors
        1 : start=2048, size=4096, type=83
        2 : start=8192, size=40960, type=5
        5 : start=10240, size=4096, type=83
        6 : start=16384, size=4096, type=ef
        7 : start=24576, size=2048, type=83

        """
      try await SubprocessRunner().run(Command("sfdisk", ["--quiet", disk.string], input: script))
      let table = try table(of: disk)
      #expect(table.faults == [])
      #expect(table.entries.map(\.number) == [1, 2, 5, 6, 7])
      #expect(table.entries.map(\.start) == [2048, 8192, 10240, 16384, 24576])
      #expect(table.entries.map(\.sectors) == [4096, 40960, 4096, 4096, 2048])
      #expect(table.bootPartitions.filter(\.isSystem).map(\.number) == [6])
    }
  }

  /// A sector of a table, with (type, start, count) of its records.
  private func sector(_ records: [(UInt8, UInt32, UInt32)]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 512)
    for (index, (type, start, count)) in records.enumerated() {
      let place = 446 + 16 * index
      bytes[place + 4] = type
      for byte in 0..<4 {
        bytes[place + 8 + byte] = UInt8(truncatingIfNeeded: start >> (8 * UInt32(byte)))
        bytes[place + 12 + byte] = UInt8(truncatingIfNeeded: count >> (8 * UInt32(byte)))
      }
    }
    bytes[510] = 0x55
    bytes[511] = 0xaa
    return bytes
  }

  /// A disk with an extended partition from sector 8 on, and sectors of its chain by their place in it.
  private func disk(_ chain: [UInt32: [UInt8]], in scratch: FilePath) throws -> FilePath {
    let disk = scratch.appending("disk")
    try HostFiles.makeSparseFile(disk, bytes: UInt64(Self.sectors) * 512)
    let file = try FileDescriptor.open(disk, .readWrite)
    try file.closeAfter {
      try file.writeAll(toAbsoluteOffset: 0, sector([(0x05, 8, UInt32(Self.sectors - 8))]))
      for (place, bytes) in chain { try file.writeAll(toAbsoluteOffset: Int64(8 + place) * 512, bytes) }
    }
    return disk
  }

  @Test(.timeLimit(.minutes(1))) func aChainThatLeadsBackEnds() async throws {
    try await withScratchDirectory { scratch in
      let disk = try disk(
        [0: sector([(0x83, 1, 4), (0x05, 64, 64)]), 64: sector([(0x83, 1, 4), (0x05, 0, 64)])], in: scratch)
      let table = try table(of: disk)
      #expect(table.entries.map(\.number) == [1, 5, 6])
      #expect(table.faults == ["the chain of logical partitions leads back to sector 8"])
    }
  }

  @Test(arguments: [UInt32(1 << 30), UInt32.max]) func aChainThatLeavesTheDiskEnds(place: UInt32) async throws
  {
    try await withScratchDirectory { scratch in
      let table = try table(of: disk([0: sector([(0x83, 1, 4), (0x0f, place, 64)])], in: scratch))
      #expect(table.entries.map(\.number) == [1, 5])
      #expect(table.faults.first?.contains("leads out of its partition") == true)
    }
  }

  @Test(.timeLimit(.minutes(1))) func aLongChainIsNotFollowedToItsEnd() async throws {
    try await withScratchDirectory { scratch in
      var chain: [UInt32: [UInt8]] = [:]
      for place in 0..<UInt32(Self.sectors - 9) {
        chain[place] = sector([(0x83, 1, 1), (0x05, place + 1, 1)])
      }
      let table = try table(of: disk(chain, in: scratch))
      #expect(table.entries.count == 257)
      #expect(table.faults == ["the chain of logical partitions has more than 256 links"])
    }
  }
}
