internal import Basics
import BuildPlan
import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// A layout with a BIOS boot partition or the gap of an MBR in front of its root.
private func layout(_ table: TableFormat, sectorSize: UInt64 = 512) -> DiskLayout {
  func guid(_ number: UInt64) -> GUID { GUID(high: 0x0123_4567_89ab_4def, low: 0x8000 << 48 | number) }
  let megabyte = (1 << 20) / sectorSize
  let root = Filesystem(kind: .ext4, label: "nixos", uuid: guid(9), mountPoint: "/")
  func partition(_ number: Int, _ name: String, _ type: PartitionType?, _ start: UInt64, _ count: UInt64)
    -> Partition
  {
    Partition(
      number: number, name: name, type: type, guid: table == .gpt ? guid(UInt64(number)) : nil,
      start: start * megabyte, sectors: count * megabyte, filesystem: name == "root" ? root : nil)
  }
  let partitions =
    switch table {
    case .none: [partition(0, "root", nil, 0, 16)]
    case .mbr: [partition(1, "root", .linuxCode, 1, 15)]
    case .gpt: [partition(1, "no-fs", .biosBoot, 1, 1), partition(2, "root", .linux, 2, 13)]
    }
  return DiskLayout(
    table: table, sectorSize: sectorSize, sectors: 16 * megabyte, guid: guid(0), partitions: partitions)
}

/// A disk with that table, written by sfdisk.
private func disk(_ layout: DiskLayout, in scratch: FilePath) async throws -> FilePath {
  let disk = scratch.appending("target.raw")
  try HostFiles.makeSparseFile(disk, bytes: layout.size.bytes)
  try await PartitionTableWriter(runner: SubprocessRunner()).write(layout, to: disk)
  return disk
}

private func differences(_ disk: FilePath, _ layout: DiskLayout) throws -> [String] {
  try DiskFile.with(disk) { try DiskTable(of: $0, sectorSize: layout.sectorSize).differences(from: layout) }
}

private func write(_ bytes: [UInt8], at offset: Int64, to disk: FilePath) throws {
  let file = try FileDescriptor.open(disk, .readWrite)
  _ = try file.closeAfter { try file.writeAll(toAbsoluteOffset: offset, bytes) }
}

@Suite struct DiskTableTests {
  @Test(arguments: [TableFormat.gpt, .mbr])
  func whatSfdiskWroteIsTheLayout(table: TableFormat) async throws {
    try await withScratchDirectory { scratch in
      let layout = layout(table)
      let disk = try await disk(layout, in: scratch)
      #expect(try differences(disk, layout) == [])
    }
  }

  /// Bootloaders and scripts that write where a table is.
  @Test(arguments: [
    (TableFormat.gpt, Int64(512), 512, "GPT is missing"), (.gpt, 0, 512, "protective MBR"),
    (.gpt, 1024, 128, "entries with a wrong checksum"), (.gpt, (16 << 20) - 512, 512, "backup GPT"),
    (.gpt, 0, 1 << 20, "the table is none"), (.mbr, 0, 512, "the table is none"),
    (.mbr, 440, 4, "the disk's signature is 0"), (.mbr, 446, 1, "the active flag of partition 1 is false"),
  ])
  func aTableThatWasWrittenOverIsFound(table: TableFormat, offset: Int64, count: Int, words: String)
    async throws
  {
    try await withScratchDirectory { scratch in
      let layout = layout(table)
      let disk = try await disk(layout, in: scratch)
      try write(Array(repeating: 0, count: count), at: offset, to: disk)
      let found = try differences(disk, layout)
      #expect(found.contains { $0.contains(words) }, "\(found)")
    }
  }

  @Test func anotherTableThanThePlansIsFound() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(.gpt), in: scratch)
      var other = layout(.gpt)
      other.partitions[1].start += 8
      other.partitions[0].name = "x"
      other.partitions.removeFirst()
      let found = try differences(disk, other)
      #expect(
        found.contains { $0.contains("the plan does not have") } && found.contains { $0.contains("start") })
      #expect(try differences(disk, layout(.none)) == ["the table is gpt instead of none"])
    }
  }

  /// The table of 4096-byte sectors is the one of 512, with its sectors further apart.
  @Test func sectorsOf4096BytesAreRead() async throws {
    try await withScratchDirectory { scratch in
      let script = """
        import struct, sys, uuid, zlib
        s, n = 4096, 4096
        g = lambda t: uuid.UUID(t).bytes_le
        def entry(t, u, a, b, name):
            return g(t) + g(u) + struct.pack('<QQQ', a, b, 0) + name.encode('utf-16le').ljust(72, b'\\0')
        e = entry('21686148-6449-6e6f-744e-656564454649', '01234567-89ab-4def-8000-000000000001', 256, 511, 'no-fs')
        e += entry('0fc63daf-8483-4772-8e79-3d69d8477de4', '01234567-89ab-4def-8000-000000000002', 512, 3839, 'root')
        e = e.ljust(16384, b'\\0')
        def header(me, other, table):
            h = lambda crc: struct.pack('<8sIIIIQQQQ16sQIII', b'EFI PART', 0x10000, 92, crc, 0, me, other, 6, n - 6,
                g('01234567-89ab-4def-8000-000000000000'), table, 128, 128, zlib.crc32(e))
            return h(zlib.crc32(h(0))).ljust(s, b'\\0')
        with open(sys.argv[1], 'wb') as f:
            f.write(b'\\0' * 446 + b'\\0\\0\\2\\0\\xee\\xff\\xff\\xff' + struct.pack('<II', 1, n - 1) + b'\\0' * 48 + b'\\x55\\xaa')
            f.seek(s); f.write(header(1, n - 1, 2) + e)
            f.seek((n - 5) * s); f.write(e + header(n - 1, 1, n - 5))
        """
      let disk = scratch.appending("disk").string
      try await SubprocessRunner().run("python3", "-c", script, disk)
      let layout = layout(.gpt, sectorSize: 4096)
      #expect(try differences(FilePath(disk), layout) == [])
      let found = try await BootDiskReader().read(image: disk, format: .raw)
      #expect(found.sectorSize == 4096 && found.partitions.map(\.start) == [256, 512])
      try write([1], at: 4096 * 4095 + 20, to: FilePath(disk))
      #expect(try differences(FilePath(disk), layout).count == 1)
    }
  }

  /// Whatever is on a disk, reading it ends, and in bounds.
  @Test func noBytesAreTooMuchForTheReader() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(.gpt), in: scratch)
      var generator = SystemRandomNumberGenerator()
      for _ in 0..<2000 {
        let value = UInt8.random(in: 0...255, using: &generator)
        try write([value, value, value], at: Int64.random(in: 440..<1300, using: &generator), to: disk)
        _ = try differences(disk, layout(.gpt))
        _ = try DiskFile.with(disk) { disk in
          try BIOSLoader.problem(on: disk, DiskTable(of: disk, sectorSize: nil))
        }
      }
    }
  }
}

@Suite struct BIOSLoaderTests {
  /// The fields of GRUB's boot.img and core.img by which the one finds the other, and nothing of their code.
  private func install(
    next: UInt64, core: UInt64, blocks: (UInt64, UInt16), filled: UInt64, on disk: FilePath
  ) throws {
    func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
    try write([0xeb, 0x63, 0x90], at: 0, to: disk)
    try write(bytes(next, 8), at: 0x5c, to: disk)
    try write(Array("GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n\0".utf8), at: 0x180, to: disk)
    try write(Array("loading\0".utf8), at: Int64(core) * 512 + 0x11b, to: disk)
    try write(bytes(blocks.0, 8) + bytes(UInt64(blocks.1), 2), at: Int64(core) * 512 + 0x1f4, to: disk)
    for sector in 0..<filled {
      try write(Array(repeating: 0x5a, count: 512), at: Int64(blocks.0 + sector) * 512, to: disk)
    }
  }

  private func problem(_ disk: FilePath) throws -> String? {
    try DiskFile.with(disk) { disk in try BIOSLoader.problem(on: disk, DiskTable(of: disk, sectorSize: 512)) }
  }

  /// Where GRUB's core image is as a rule: behind an MBR, and in the BIOS boot partition of a GPT.
  @Test(arguments: [(TableFormat.mbr, UInt64(1)), (.gpt, 2048)])
  func grubThatIsWholePasses(table: TableFormat, core: UInt64) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(table), in: scratch)
      try install(next: core, core: core, blocks: (core + 1, 60), filled: 60, on: disk)
      #expect(try problem(disk) == nil)
    }
  }

  /// `next`, `core`, blocks from, blocks, filled of them.
  @Test(arguments: [
    (TableFormat.mbr, [UInt64(1), 1, 2, 60, 0], "overwritten"), (.mbr, [9, 1, 2, 60, 60], "does not begin"),
    (.mbr, [0, 1, 2, 60, 60], "not a place"), (.mbr, [1 << 40, 1, 2, 60, 60], "not a place"),
    (.mbr, [1, 1, 2000, 60, 60], "not a place"), (.mbr, [1, 1, 2, 0, 0], "no block list"),
    (.gpt, [1, 1, 2, 60, 60], "not a place"), (.gpt, [2048, 2048, 4090, 20, 20], "not a place"),
    (.gpt, [2048, 2048, 2049, 60, 9], "overwritten"),
  ])
  func grubThatLoadsNothingIsFound(table: TableFormat, numbers: [UInt64], words: String) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(table), in: scratch)
      try install(
        next: numbers[0], core: numbers[1], blocks: (numbers[2], UInt16(numbers[3])), filled: numbers[4],
        on: disk)
      let found = try problem(disk) ?? "none"
      #expect(found.contains(words), "\(found)")
    }
  }

  /// What `grub-install --force` writes where it finds no room for its core image.
  @Test(
    arguments: [
      (TableFormat.mbr, [UInt64(1), 2, 60], nil), (.gpt, [2048, 2049, 60], nil),
      (.mbr, [2100, 2200, 8], 2100),
      (.mbr, [1, 2040, 60], 2040), (.gpt, [2048, 5000, 60], 5000), (.none, [1000, 1001, 8], 1000),
      (.none, [1, 2, 60], 1),
    ] as [(TableFormat, [UInt64], UInt64?)])
  func blocksOfFilesAreFound(table: TableFormat, numbers: [UInt64], sector: UInt64?) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(table), in: scratch)
      try install(
        next: numbers[0], core: numbers[0], blocks: (numbers[1], UInt16(numbers[2])), filled: 0, on: disk)
      let sectors = try DiskFile.with(disk) { try BIOSLoader.sectorsOfGRUB(on: $0) }
      #expect(sectors.map(\.start) == Array(numbers[0...1]) && sectors.map(\.count) == [1, numbers[2]])
      #expect(BlockListCheck.firstInFilesystem(of: layout(table), sectors)?.sector == sector)
    }
  }

  @Test func aDiskWithoutCodeStartsNothingAndAnotherLoaderPasses() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await disk(layout(.mbr), in: scratch)
      #expect(try problem(disk)?.contains("no boot code") == true)
      try write(Array(repeating: 0x90, count: 300), at: 0, to: disk)
      #expect(try problem(disk) == nil)
      try write([0, 0], at: 510, to: disk)
      #expect(try problem(disk)?.contains("signature") == true)
    }
  }
}

@Suite struct FATReadingTests {
  /// As a bootloader leaves it that writes no file.
  @Test func anEmptyFATHasNoFiles() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await BootableDisk.make(in: scratch)
      try await SubprocessRunner().run("mkfs.vfat", "-n", "ESP", "--offset", "2048", disk.string, "16384")
      #expect(try await BootDiskReader().read(image: disk.string, format: .raw).partitions[0].files == [])
    }
  }

  /// A FAT filesystem that is damaged is not the same as none.
  @Test func aDamagedFATIsSaidToBeDamaged() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await BootableDisk.make(in: scratch)
      // The number of root directory entries and the sectors of a table make no sense.
      try write([0xff, 0xff], at: (1 << 20) + 17, to: disk)
      try write([0xff, 0xff], at: (1 << 20) + 22, to: disk)
      let error = await #expect(throws: Fault.self) {
        try await BootDiskReader().read(image: disk.string, format: .raw)
      }
      #expect(error?.message.contains("partition 1 cannot be read") == true, "\(String(describing: error))")
      try write(Array(repeating: 0, count: 512), at: 1 << 20, to: disk)
      #expect(try await BootDiskReader().read(image: disk.string, format: .raw).partitions[0].files == nil)
    }
  }
}
