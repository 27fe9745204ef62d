internal import Basics
internal import Command
internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import FAT

/// Filesystems are judged by fsck.fat and read back by mtools.
@Suite struct FATWriterTests {
  private static let mebibyte: UInt64 = 1 << 20
  private static let offset: UInt64 = 1 << 20

  private func volume(_ size: UInt64, sectorSize: UInt64 = 512, label: String = "ESP") -> FATVolume {
    FATVolume(
      sectorSize: sectorSize, start: Self.offset / sectorSize, sectors: size / sectorSize,
      identifier: 0x1234_abcd, label: label, time: 315_532_800)
  }

  /// Writes a filesystem into a disk, and gives what stands in its place as a file of its own.
  private func made(_ nodes: [FATNode], _ volume: FATVolume, in scratch: FilePath, name: String = "fat")
    throws -> FilePath
  {
    let disk = scratch.appending("\(name).disk")
    let size = volume.sectors * volume.sectorSize
    let file = try FileDescriptor.open(
      disk, .readWrite, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter {
      try FAT.write(nodes, volume, to: file, at: Self.offset)
      try file.resize(to: Int64(Self.offset + size))
      let image = scratch.appending(name)
      var bytes = [UInt8](repeating: 0, count: Int(size))
      _ = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: Int64(Self.offset), into: $0) }
      try Data(bytes).write(to: URL(fileURLWithPath: image.string))
    }
    return scratch.appending(name)
  }

  private func check(_ image: FilePath) async throws {
    let said = try await SubprocessRunner().run("fsck.fat", "-n", "-v", image.string)
    #expect(
      !said.contains("differ") && !said.contains("wrong") && !said.contains("Free cluster summary"), "\(said)"
    )
  }

  private func file(_ path: String, _ bytes: [UInt8] = [1, 2, 3], time: Int64 = 1_000_000_000) -> FATNode {
    FATNode(path: path, kind: .file(.bytes(bytes)), time: time)
  }

  private func directory(_ path: String, time: Int64 = 1_000_000_000) -> FATNode {
    FATNode(path: path, kind: .directory, time: time)
  }

  private var bootFiles: [FATNode] {
    let kernel = "nixos/8vjjv4lcj8ldl1md3dpz9y473b5f2m36-linux-6.12.31-bzImage.efi"
    return [
      directory("EFI"), directory("EFI/BOOT"), directory("EFI/nixos"), directory("EFI/systemd"),
      file("EFI/BOOT/BOOTX64.EFI", [UInt8](repeating: 7, count: 300_001)),
      file("EFI/\(kernel)", [UInt8](repeating: 9, count: 700_000)),
      file("EFI/nixos/8vjjv4lcj8ldl1md3dpz9y473b5f2m36-linux-6.12.31-initrd.efi"),
      file("EFI/systemd/systemd-bootx64.efi"), directory("loader"), directory("loader/entries"),
      file("loader/entries/nixos-generation-1.conf", Array("title NixOS\n".utf8)),
      file("loader/entries/nixos-generation-2.conf", Array("title NixOS 2\n".utf8)),
      file("loader/loader.conf", []), file("loader/entries.srel", Array("type1\n".utf8)),
    ]
  }

  @Test(
    arguments: [
      (1, 512), (4, 512), (33, 512), (40, 512), (92, 512), (248, 512), (600, 512), (4, 4096), (40, 4096),
      (300, 4096),
    ] as [(UInt64, UInt64)])
  func isSoundAndReadBack(mebibytes: UInt64, sectorSize: UInt64) async throws {
    try await withScratchDirectory { scratch in
      let nodes =
        mebibytes == 1
        ? bootFiles.filter { !$0.path.contains("BOOTX64") && !$0.path.contains("bzImage") } : bootFiles
      let image = try made(nodes, volume(mebibytes * Self.mebibyte, sectorSize: sectorSize), in: scratch)
      try await check(image)
      let back = scratch.appending("back")
      try FileManager.default.createDirectory(atPath: back.string, withIntermediateDirectories: true)
      try await SubprocessRunner().run(
        "mcopy", "-s", "-p", "-m", "-Q", "-n", "-i", image.string, "::/*", back.string)
      for node in nodes {
        let path = back.pushing(FilePath(node.path)).string
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        switch node.kind {
        case .directory: #expect(attributes[.type] as? FileAttributeType == .typeDirectory)
        case .file(.bytes(let bytes)):
          #expect(FileManager.default.contents(atPath: path).map(Array.init) == bytes, "\(node.path)")
        case .file: Issue.record("not used here")
        }
      }
      let found = try FileManager.default.subpathsOfDirectory(atPath: back.string)
      #expect(found.sorted() == nodes.map(\.path).sorted())
    }
  }

  /// Equal nodes make equal bytes, in whatever order they come.
  @Test func theOrderOfTheNodesLeavesNoTrace() async throws {
    try await withScratchDirectory { scratch in
      let volume = volume(40 * Self.mebibyte)
      let first = try made(bootFiles, volume, in: scratch, name: "first")
      for round in 1...5 {
        let other = try made(bootFiles.shuffled(), volume, in: scratch, name: "other\(round)")
        #expect(
          FileManager.default.contentsEqual(atPath: first.string, andPath: other.string), "round \(round)")
      }
    }
  }

  @Test func thousandsOfFilesInOneDirectory() async throws {
    try await withScratchDirectory { scratch in
      let nodes =
        [directory("d")] + (0..<3000).map { file("d/A long name of a file \($0).conf", [UInt8($0 % 251)]) }
      let image = try made(nodes.shuffled(), volume(40 * Self.mebibyte), in: scratch)
      try await check(image)
      let names = try await SubprocessRunner().run("mdir", "-b", "-i", image.string, "::/d")
      #expect(names.split(separator: "\n").count == 3000)
    }
  }

  @Test func aPartOfAFileIsCopied() async throws {
    try await withScratchDirectory { scratch in
      let source = scratch.appending("source")
      let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
      try Data(bytes).write(to: URL(fileURLWithPath: source.string))
      let node = FATNode(path: "part", kind: .file(.part(of: source, offset: 1000, size: 2_500_000)), time: 0)
      let image = try made([node], volume(40 * Self.mebibyte), in: scratch)
      try await check(image)
      try await SubprocessRunner().run(
        "mcopy", "-i", image.string, "::/part", scratch.appending("out").string)
      #expect(
        FileManager.default.contents(atPath: scratch.appending("out").string).map(Array.init)
          == Array(bytes[1000..<2_501_000]))
      let beyond = FATNode(
        path: "part", kind: .file(.part(of: source, offset: 1000, size: 3_000_000)), time: 0)
      #expect(throws: Fault.self) { try made([beyond], volume(40 * Self.mebibyte), in: scratch) }
    }
  }

  @Test func timesAreUTCInStepsOfTwoSeconds() async throws {
    // 2001-09-09 01:46:40, 2024-02-29 23:59:59, before FAT's first day, and after its last.
    let times: [(Int64, UInt16, UInt16)] = [
      (1_000_000_000, 21 << 9 | 9 << 5 | 9, 1 << 11 | 46 << 5 | 20),
      (1_709_251_199, 44 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29),
      (0, 0 << 9 | 1 << 5 | 1, 0), (Int64.max, 127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29),
    ]
    for (seconds, date, time) in times {
      #expect(FATTime(seconds).date == date && FATTime(seconds).time == time, "\(seconds)")
    }
  }

  @Test func shortNamesAreThoseOfTheSpecification() throws {
    func short(_ names: [String]) throws -> [String] {
      try FATName.all(of: names, in: "").map { String(decoding: $0.short, as: UTF8.self) }
    }
    #expect(try short(["EFI", "BOOTX64.EFI"]) == ["EFI        ", "BOOTX64 EFI"])
    #expect(
      try short(["loader", "a.conf", "b.tar.gz"]) == ["LOADER     ", "A~1     CON", "BTAR~1  GZ "].map { $0 })
    #expect(
      try short(["nixos-generation-1.conf", "nixos-generation-2.conf"]) == ["NIXOS-~1CON", "NIXOS-~2CON"])
    #expect(try short(["ESP~1", "esp+", "ESP "].dropLast()) == ["ESP~1      ", "ESP_~1     "])
    #expect(try short([".hidden", "é"]) == ["HIDDEN~1   ", "_~1        "])
  }

  /// No more numbers are tried than there are names, whatever these are.
  @Test func thousandsOfNamesWithOneBeginningAreNumbered() throws {
    let names = (0..<30_000).map { "nixos-generation-\($0).conf" } + (0..<30_000).map { "nixo\($0) .conf" }
    let made = try FATName.all(of: names, in: "")
    #expect(Set(made.map(\.short)).count == names.count)
    #expect(made[9].short == Array("NIXOS~10CON".utf8))
    #expect(throws: Fault.self) { try FATName.all(of: (0..<65_537).map { "\($0)" }, in: "") }
  }

  @Test(arguments: [
    ["a", "A"], ["a:b"], ["a."], ["a "], [String(repeating: "a", count: 256)], ["a\u{1}"], ["a\\b"],
    ["ä", "Ä"],
  ])
  func namesThatFATCannotHoldAreRefused(names: [String]) {
    #expect(throws: Fault.self) { try FATName.all(of: names, in: "") }
  }

  @Test func whatCannotBeIsRefused() throws {
    let cases: [([FATNode], String)] = [
      ([file("a/b")], "its directory is missing"), ([file("a"), file("a")], "it is there twice"),
      ([file("a"), file("a/b")], "it is a file"),
      ([file("a//b"), directory("a")], "cannot hold such a name"),
      ([file("../x")], "cannot hold such a name"), ([directory("..")], "cannot hold such a name"),
    ]
    for (nodes, cause) in cases {
      let fault = #expect(throws: Fault.self) { try FATDirectory(nodes) }
      #expect(fault?.message.contains(cause) == true, "\(fault?.message ?? "")")
    }
  }

  @Test func lackOfRoomIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let large = file("large", [UInt8](repeating: 1, count: 5_000_000))
      let fault = #expect(throws: Fault.self) { try made([large], volume(4 * Self.mebibyte), in: scratch) }
      #expect(fault?.message.contains("more room") == true)
      let many = (0..<600).map { file("\($0)") }
      #expect(throws: Fault.self) { try made(many, volume(4 * Self.mebibyte), in: scratch) }
    }
  }

  /// Random trees, in random sizes.
  @Test(arguments: 0..<20) func randomTreesAreSound(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    try await withScratchDirectory { scratch in
      var directories = [""]
      var nodes: [FATNode] = []
      for number in 0..<Int.random(in: 1...120, using: &generator) {
        let parent = directories.randomElement(using: &generator) ?? ""
        let words = ["a", "Kernel ", "X", "long name with many words ", "é", "日本", "B.C", "x.efi", "~1"]
        let path = parent + "\(words.randomElement(using: &generator) ?? "")\(number)"
        if Bool.random(using: &generator) {
          nodes.append(directory(path))
          directories.append(path + "/")
        } else {
          nodes.append(
            file(path, [UInt8](repeating: 5, count: Int.random(in: 0...40_000, using: &generator))))
        }
      }
      let size = [8, 34, 64].randomElement(using: &generator) ?? 8
      let image = try made(
        nodes.shuffled(using: &generator), volume(UInt64(size) * Self.mebibyte), in: scratch)
      try await check(image)
      let listed = try await SubprocessRunner().run(
        Command(
          "mdir", ["-/", "-b", "-a", "-i", image.string, "::/"],
          environment: ["LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"]))
      #expect(listed.split(separator: "\n").count == nodes.count)
    }
  }
}

private struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
  }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_f491_4f6c_dd1d
  }
}
