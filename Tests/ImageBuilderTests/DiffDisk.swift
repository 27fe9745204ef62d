import Basics
import Command
import Ext4
import FAT
import Foundation
import ImageModel
import ImageReading
import NixStore
import SystemPackage
import Testing

@testable import ImageBuilder

/// Two disks with the same bytes, with an ESP, a BIOS boot partition and a root; the right one is there to be changed.
struct DiffDisk: Sendable {
  let left: FilePath
  let right: FilePath
  let espStart: UInt64 = 1 << 20
  let biosStart: UInt64 = 9 << 20
  let rootStart: UInt64 = 10 << 20
  private let runner = SubprocessRunner()

  init(in scratch: FilePath, registrationTime: Int64 = 1) async throws {
    left = scratch.appending("left.img")
    right = scratch.appending("right.img")
    try await Self.make(left, registrationTime: 1)
    if registrationTime == 1 {
      try await runner.run("cp", "--sparse=always", left.string, right.string)
    } else {
      try await Self.make(right, registrationTime: registrationTime)
    }
  }

  private static func make(_ disk: FilePath, registrationTime: Int64) async throws {
    try HostFiles.makeSparseFile(disk, bytes: 32 << 20)
    let script = """
      label: gpt
      label-id: 11111111-2222-4333-8444-555555555555
      unit: sectors
      1 : start=2048, size=16384, type=U, uuid=11111111-2222-4333-8444-666666666666, name=ESP
      2 : start=18432, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=11111111-2222-4333-8444-777777777777
      3 : start=20480, size=43008, type=L, uuid=11111111-2222-4333-8444-888888888888, name=root

      """
    try await SubprocessRunner().run(Command("sfdisk", ["--quiet", disk.string], input: script))
    let file = try FileDescriptor.open(disk, .readWrite)
    try file.closeAfter {
      try FAT.write(
        [
          FATNode(path: "EFI", kind: .directory, time: 1_000_000_000),
          FATNode(
            path: "EFI/a long name.efi", kind: .file(.bytes(Array("kernel".utf8))), time: 1_000_000_000),
        ],
        FATVolume(
          sectorSize: 512, start: 2048, sectors: 16384, identifier: 0x1234_abcd, label: "ESP",
          time: 315_532_800
        ), to: file, at: 1 << 20)
    }
    let options = Ext4Options(
      size: .mebibytes(20), offset: .mebibytes(10), uuid: GUID(high: 0x1111_2222_3333_4444, low: 5),
      hashSeed: GUID(high: 6, low: 7), label: "nixos")
    _ = try await Ext4.pour(ListedNodes(nodes(registrationTime)), to: disk, options)
  }

  private static func nodes(_ registrationTime: Int64) async throws -> [Node] {
    let path = try #require(StorePath(path: "/nix/store/\(String(repeating: "0", count: 32))-a"))
    let hash = try #require(NarHash("sha256:\(String(repeating: "0", count: 64))"))
    let closure = Closure(roots: [path], paths: [StorePathInfo(path: path, narHash: hash, narSize: 9)])
    let database = try await NixDatabase.bytes(
      of: closure, from: StoreLocation(), registrationTime: registrationTime)
    func node(_ path: String, _ kind: Node.Kind, mode: UInt16 = 0o644) throws -> Node {
      Node(
        path: try #require(TreePath(path)), kind: kind,
        attributes: Attributes(mode: mode, time: Timestamp(seconds: 1000)))
    }
    let folders = try ["", "etc", "nix", "nix/var", "nix/var/nix", "nix/var/nix/db"].map {
      try node($0, .directory, mode: 0o755)
    }
    return folders
      + [
        try node("etc/a", .file(.bytes(Array("hello".utf8)))),
        try node("etc/b", .file(.bytes(Array("other content".utf8)))),
        try node("etc/empty1", .file(.bytes([]))), try node("etc/empty2", .file(.bytes([]))),
        try node("etc/link", .symbolicLink(target: Array("a".utf8)), mode: 0o777),
        // Its only block is further behind in the file than on the disk.
        try node("sparse", .file(.bytes(Array(repeating: 0, count: 40 << 20) + Array("content".utf8)))),
        try node("zeros", .file(.bytes(Array(repeating: 0, count: 8191) + [1]))),
        try node("nix/var/nix/db/db.sqlite", .file(.bytes(database))),
      ]
  }

  func differences() async throws -> ImageDifferences {
    try await ImageComparison(left.string, right.string).run()
  }

  // MARK: - Changes

  func debugfs(_ request: String) async throws {
    // The time that the pour had: it becomes the superblock's.
    try await runner.run(
      Command(
        "debugfs", ["-w", "-R", request, "\(right)?offset=\(rootStart)"],
        environment: ["E2FSPROGS_FAKE_TIME": "1"]))
  }

  func sfdisk(_ words: String...) async throws {
    try await runner.run(Command("sfdisk", [words[0], right.string] + words.dropFirst()))
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws {
    let file = try FileDescriptor.open(right, .readWrite)
    _ = try file.closeAfter { try file.writeAll(toAbsoluteOffset: Int64(offset), bytes) }
  }

  /// Changes the lowest bit of a byte.
  func flip(_ offset: UInt64) throws {
    let byte = try DiskFile.with(right) { try $0.bytes(1, at: offset) }
    try write([byte[0] ^ 1], at: offset)
  }

  // MARK: - The root

  private func onRoot<Result>(_ body: (Ext4Filesystem) throws -> Result) throws -> Result {
    try DiskFile.with(left) { try body(Ext4Filesystem($0.part(rootStart..<rootStart + 20 << 20))) }
  }

  private func find(_ path: String, on filesystem: Ext4Filesystem) throws -> Ext4Inode {
    try path.split(separator: "/").reduce(try filesystem.inode(2)) { folder, name in
      let entries = try filesystem.entries(of: folder, filesystem.map(of: folder))
      return try filesystem.inode(try #require(entries.first { $0.name == Array(name.utf8) }).inode)
    }
  }

  /// Where an inode is on the disk.
  func inode(_ path: String) throws -> Range<UInt64> {
    let place = try onRoot { try find(path, on: $0).place }
    return place.lowerBound + rootStart..<place.upperBound + rootStart
  }

  /// Where the first block of a file is on the disk.
  func block(of path: String) throws -> UInt64 {
    try onRoot { rootStart + (try #require($0.map(of: find(path, on: $0)).extents.first).physical * 4096) }
  }

  /// Where the first block of an inode is on the filesystem.
  func place(ofInode number: UInt64) throws -> UInt64 {
    try onRoot { try #require($0.map(of: $0.inode(number)).extents.first).physical * 4096 }
  }

  func freeBlock() throws -> UInt64 {
    try onRoot { filesystem in try #require(try (0..<filesystem.blocks).last { try !filesystem.isUsed($0) }) }
  }

  func setBit(ofBlock block: UInt64) throws {
    let bitmap = try onRoot { $0.blockBitmap(0) }
    let offset = rootStart + bitmap * 4096 + block / 8
    let byte = try DiskFile.with(right) { try $0.bytes(1, at: offset) }
    try write([byte[0] ^ 1 << UInt8(block % 8)], at: offset)
  }

  func restoreBlockBitmap() throws {
    let place = try onRoot { rootStart + $0.blockBitmap(0) * 4096 }
    try write(try DiskFile.with(left) { try $0.bytes(4096, at: place) }, at: place)
  }

  /// The offset of an entry of `/etc` on the disk.
  private func entry(_ name: String) throws -> UInt64 {
    let start = try block(of: "/etc")
    let bytes = try DiskFile.with(left) { try $0.bytes(4096, at: start) }
    let found = (8..<4000).first {
      bytes[$0..<$0 + name.utf8.count].elementsEqual(name.utf8) && bytes[$0 - 2] == name.utf8.count
    }
    return start + UInt64(try #require(found)) - 8
  }

  /// Two entries of the same length change places.
  func swapEntries() throws {
    let (one, other) = (try entry("empty1"), try entry("empty2"))
    let bytes = try DiskFile.with(left) { (try $0.bytes(14, at: one), try $0.bytes(14, at: other)) }
    func mixed(_ mine: [UInt8], _ others: [UInt8]) -> [UInt8] {
      Array(others[..<4] + mine[4..<8] + others[8...])
    }
    try write(mixed(bytes.0, bytes.1), at: one)
    try write(mixed(bytes.1, bytes.0), at: other)
  }

  /// An entry leads to another inode with the same content.
  func moveEntry() throws {
    let number = try DiskFile.with(left) { try $0.bytes(4, at: try entry("empty2")) }
    try write(number, at: try entry("empty1"))
  }

  // MARK: - The ESP

  func esp() throws -> FATFilesystem {
    let bytes = try DiskFile.with(left) { try $0.bytes(8 << 20, at: espStart) }
    return try FATFilesystem(
      ImageBytes(size: UInt64(bytes.count)) { Array(bytes[Int($1)...].prefix($0)) })
  }

  /// Where a text is on the disk, within the ESP.
  func espFind(_ text: String) throws -> UInt64 {
    let bytes = try DiskFile.with(left) { try $0.bytes(8 << 20, at: espStart) }
    let found = try #require(Data(bytes).range(of: Data(text.utf8)))
    return espStart + UInt64(found.lowerBound)
  }

  /// The entry with the short name of the file with a long one.
  func longEntry() throws -> UInt64 { try espFind("ALONGN~1EFI") }

  /// Another short name, with the checksums over it.
  func renameShort() throws {
    let place = try longEntry()
    let name = Array("ALONGN~2EFI".utf8)
    try write(name, at: place)
    let sum = name.reduce(UInt8(0)) { ($0 >> 1 | $0 << 7) &+ $1 }
    for index in 1...2 as ClosedRange<UInt64> { try write([sum], at: place - 32 * index + 13) }
  }

  func lastCluster() throws -> UInt64 { try esp().clusters + 1 }
}
