import Basics
import Command
import EFIVariables
import Ext4
import FAT
import Foundation
import ImageModel
import ImageReading
import NixStore
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// One difference without its values.
struct Place: Hashable, CustomStringConvertible {
  var region: String
  var path: String?
  var field: String

  init(_ region: String, _ path: String?, _ field: String) {
    (self.region, self.path, self.field) = (region, path, field)
  }

  init(_ difference: ImageDifference) { self.init(difference.region, difference.path, difference.field) }

  var description: String { "\(region) | \(path ?? "-") | \(field)" }
}

/// A change of one source, and what has to be said of it.
struct Control: Sendable, CustomTestStringConvertible {
  let name: String
  let change: @Sendable (DiffDisk) async throws -> Void
  let expected: @Sendable (DiffDisk) throws -> Set<Place>

  var testDescription: String { name }

  init(
    _ name: String, _ places: [Place], _ change: @escaping @Sendable (DiffDisk) async throws -> Void
  ) {
    self.name = name
    self.change = change
    expected = { _ in Set(places) }
  }

  /// For what is said with a number that follows from the disk.
  init(
    _ name: String, expecting expected: @escaping @Sendable (DiffDisk) throws -> Set<Place>,
    _ change: @escaping @Sendable (DiffDisk) async throws -> Void
  ) {
    (self.name, self.change, self.expected) = (name, change, expected)
  }
}

private let root = "partition 3 (ext4)"
private let esp = "partition 1 (FAT)"

private func debugfs(_ name: String, _ request: String, _ places: [Place]) -> Control {
  Control(name, places) { try await $0.debugfs(request) }
}

private func patch(
  _ name: String, _ place: Place, _ offset: @escaping @Sendable (DiffDisk) throws -> UInt64
) -> Control {
  Control(name, [place]) { try $0.flip(offset($0)) }
}

private let controls: [Control] = [
  // Of files.
  debugfs("mtime", "set_inode_field /etc/a mtime 20200101", [Place(root, "/etc/a", "mtime")]),
  debugfs("nanoseconds of mtime", "set_inode_field /etc/a mtime_extra 4", [Place(root, "/etc/a", "mtime")]),
  debugfs("ctime", "set_inode_field /etc/a ctime 20200101", [Place(root, "/etc/a", "ctime")]),
  debugfs("atime", "set_inode_field /etc/a atime 20200101", [Place(root, "/etc/a", "atime")]),
  debugfs("crtime", "set_inode_field /etc/a crtime 20200101", [Place(root, "/etc/a", "crtime")]),
  debugfs("uid", "set_inode_field /etc/a uid 1000", [Place(root, "/etc/a", "uid")]),
  debugfs("gid", "set_inode_field /etc gid 7", [Place(root, "/etc", "gid")]),
  debugfs("mode", "set_inode_field /etc/a mode 0100600", [Place(root, "/etc/a", "mode")]),
  debugfs("generation", "set_inode_field /etc/a generation 9", [Place(root, "/etc/a", "generation")]),
  debugfs("link count", "set_inode_field /etc/a links_count 2", [Place(root, "/etc/a", "link count")]),
  debugfs("extended attribute", "ea_set /etc/a user.b 1", [Place(root, "/etc/a", "attribute user.b")]),
  debugfs("size", "set_inode_field /etc/a size 4000", [Place(root, "/etc/a", "size")]),
  patch("content", Place(root, "/etc/b", "content")) { try $0.block(of: "/etc/b") + 5 },
  patch("content behind a hole", Place(root, "/sparse", "content")) { try $0.block(of: "/sparse") + 2 },
  patch("bytes behind the content", Place(root, "/etc/b", "bytes past the end")) {
    try $0.block(of: "/etc/b") + 4095
  },
  patch("target of a link", Place(root, "/etc/link", "target")) {
    try $0.inode("/etc/link").lowerBound + 0x28
  },
  Control("order of a directory", [Place(root, "/etc", "order of entries")]) { try $0.swapEntries() },
  Control("number of an inode", [Place(root, "/etc/empty1", "inode number")]) { try $0.moveEntry() },
  Control(
    "a hole in the place of zeros",
    [
      Place(root, "/zeros", "blocks"), Place(root, "/zeros", "sectors"),
      Place("\(root), superblock", nil, "free blocks"),
      Place("\(root), group descriptors", "group 0", "free blocks"),
    ]
  ) { disk in
    try await disk.debugfs("punch /zeros 0 0")
    // Which of the blocks it was is another difference, which has a test of its own.
    try disk.restoreBlockBitmap()
  },
  // Of filesystems.
  debugfs("mount count", "set_super_value mnt_count 7", [Place("\(root), superblock", nil, "mount count")]),
  debugfs(
    "time of the check", "set_super_value lastcheck 20200101",
    [Place("\(root), superblock", nil, "last checked")]),
  patch("journal", Place("\(root), journal", nil, "bytes")) {
    $0.rootStart + (try $0.place(ofInode: 8)) + 3 * 4096 + 17
  },
  Control(
    "free block", expecting: { [Place("\(root), free blocks", "block \(try $0.freeBlock())", "bytes")] }
  ) {
    try $0.flip($0.rootStart + $0.freeBlock() * 4096 + 9)
  },
  Control(
    "block bitmap", expecting: { [Place("\(root), block bitmap", "block \(try $0.freeBlock())", "state")] }
  ) {
    try $0.setBit(ofBlock: $0.freeBlock())
  },
  // Of FAT.
  Control("FAT short name", [Place(esp, "/EFI/a long name.efi", "short name")]) { try $0.renameShort() },
  patch("FAT time", Place(esp, "/EFI/a long name.efi", "modification time")) { try $0.longEntry() + 22 },
  patch("FAT attributes", Place(esp, "/EFI/a long name.efi", "attributes")) { try $0.longEntry() + 11 },
  Control("FAT volume id", [Place("\(esp), boot sector", nil, "volume id")]) {
    try $0.flip($0.espStart + 39)
  },
  patch("FAT content", Place(esp, "/EFI/a long name.efi", "content")) { try $0.espFind("kernel") + 1 },
  patch("FAT second table", Place("\(esp), second allocation table", "cluster 2", "next")) {
    let fat = try $0.esp()
    return $0.espStart + (fat.reservedSectors + fat.tableSectors) * 512 + 3
  },
  Control(
    "FAT free cluster",
    expecting: { [Place("\(esp), free clusters", "cluster \(try $0.lastCluster())", "bytes")] }
  ) {
    try $0.flip($0.espStart + $0.esp().place(of: $0.lastCluster()).lowerBound)
  },
  // Of the disk.
  patch("boot code", Place("MBR", nil, "boot code")) { _ in 100 },
  patch("gap", Place("gap in front of partition 1", nil, "bytes")) { _ in 512 * 1000 },
  patch("BIOS boot partition", Place("partition 2 (BIOS boot)", nil, "bytes")) { $0.biosStart + 600 },
  Control("GUID of a partition", [Place("partition table", "partition 3", "GUID")]) {
    try await $0.sfdisk("--part-uuid", "3", "99999999-2222-4333-8444-555555555555")
  },
  Control("name of a partition", [Place("partition table", "partition 3", "name")]) {
    try await $0.sfdisk("--part-label", "3", "other")
  },
  Control("attributes of a partition", [Place("partition table", "partition 1", "attributes")]) {
    try await $0.sfdisk("--part-attrs", "1", "RequiredPartition")
  },
  Control("GUID of the disk", [Place("partition table", nil, "disk GUID")]) {
    try await $0.sfdisk("--disk-id", "99999999-2222-4333-8444-555555555555")
  },
]

/// Each source of a difference alone, on disks of our own making and by tools that are not ours.
@Suite struct ImageComparisonTests {
  @Test func equalDisksAreEqual() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch)
      #expect(try await disk.differences().isEmpty)
    }
  }

  @Test(arguments: controls)
  func aDifferenceIsSaidWithItsRegionAndField(control: Control) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch)
      let expected = try control.expected(disk)
      try await control.change(disk)
      let found = try await disk.differences()
      #expect(Set(found.differences.map(Place.init)) == expected, "\(found)")
      #expect(found.notes == [])
    }
  }

  @Test func rowsOfTheDatabaseAreCompared() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch, registrationTime: 2)
      let found = try await disk.differences().differences
      let path = "ValidPaths /nix/store/00000000000000000000000000000000-a"
      #expect(
        found == [
          ImageDifference(
            region: "Nix database", path: path, field: "registrationTime", left: "1", right: "2")
        ])
    }
  }

  @Test(arguments: [ImageFormat.qcow2, .compressedRaw].compactMap { $0 })
  func otherFormatsAreComparedByTheirDisks(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch)
      let packed = scratch.appending("left.\(format.fileExtension)")
      let words =
        format == .qcow2
        ? ["convert", "-O", "qcow2", disk.left.string, packed.string]
        : ["-q", disk.left.string, "-o", packed.string]
      try await SubprocessRunner().run(Command(format == .qcow2 ? "qemu-img" : "zstd", words))
      let same = try await ImageComparison(packed.string, disk.right.string).run()
      #expect(same.differences.map(Place.init) == [Place("file", nil, "format")])
      try await disk.debugfs("set_inode_field /etc/a uid 5")
      let found = try await ImageComparison(packed.string, disk.right.string).run()
      #expect(found.differences.map(Place.init) == [Place(root, "/etc/a", "uid")])
    }
  }

  @Test func filesThatOneSideHasAreNamedOnce() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch)
      try await disk.debugfs("rm /etc/b")
      let found = Set(try await disk.differences().differences.map(Place.init))
      #expect(found.filter { $0.region == root && $0.field == "entry" } == [Place(root, "/etc/b", "entry")])
      #expect(
        !found.contains {
          $0.region.contains("no file has") || $0.path?.contains("inode") == true && $0.region == root
        })
    }
  }

  @Test func whatIsNotReadIsComparedByItsBytes() async throws {
    try await withScratchDirectory { scratch in
      let (one, other) = (scratch.appending("a.img"), scratch.appending("b.img"))
      var bytes = [UInt8](repeating: 7, count: 1 << 20)
      try HostFiles.write(bytes, to: one)
      bytes[70_000] = 8
      bytes[80_000] = 9
      try HostFiles.write(bytes, to: other)
      #expect(
        try await ImageComparison(one.string, other.string).run().differences == [
          ImageDifference(
            region: "disk", field: "bytes", left: "0707070707070707", right: "0807070707070707",
            offset: 70_000, count: 2)
        ])
    }
  }

  /// A partition that leads nowhere, or a filesystem that contradicts itself, is said and not followed.
  @Test func aDamagedFilesystemIsSaidToBeOne() async throws {
    try await withScratchDirectory { scratch in
      let disk = try await DiffDisk(in: scratch)
      try disk.write([0xff, 0xff], at: disk.rootStart + 1024 + 0x58)
      let list = DifferenceList()
      let foreign = try DiskFile.with(disk.left) { left in
        try DiskFile.with(disk.right) { right in
          try DiskComparison(left: left, right: right, list: list).run()
        }
      }
      // It is left to a machine that may know better.
      #expect(foreign.count == 1)
      #expect(list.result.notes.contains { $0.contains("contradicts itself") })
    }
  }
}

@Suite struct StoreComparisonTests {
  private static let template = FilePath("/usr/share/OVMF/OVMF_VARS_4M.fd")
  private static let boot = Variable(.bootOrder, .standard, [1, 0])

  @Test(arguments: [
    ("value", Variable(.bootOrder, .standard, [2, 0])),
    ("attributes", Variable(.bootOrder, [.nonVolatile, .bootServiceAccess], [1, 0])),
  ])
  func aVariableIsComparedByItsFields(field: String, other: Variable) async throws {
    try await withScratchDirectory { scratch in
      let files = try [Self.boot, other].enumerated().map { index, variable in
        let file = scratch.appending("\(index).fd")
        let template = try VariableStore(reading: HostFiles.read(Self.template))
        try HostFiles.write(VariableStore([variable], like: template).serialized(), to: file)
        return file
      }
      let found = try await ImageComparison(files[0].string, files[1].string).run()
      #expect(found.differences.map(Place.init) == [Place("EFI variables", "\(Self.boot.key)", field)])
      #expect(try await ImageComparison(files[0].string, files[0].string).run().isEmpty)
    }
  }
}

@Suite struct FolderComparisonTests {
  @Test func foldersAreComparedByTheirFiles() async throws {
    try await withScratchDirectory { scratch in
      let folders = try ["a", "b"].map { name in
        let folder = scratch.appending(name)
        try HostFiles.makeDirectory(folder)
        try HostFiles.makeDirectory(folder.appending("log"))
        try HostFiles.write(Array(name.utf8), to: folder.appending("log/build.json"))
        try HostFiles.write(
          Array("{\"files\": [{\"size\": \(name == "a" ? 1 : 2)}]}".utf8),
          to: folder.appending("manifest.json"))
        try HostFiles.write(Array("same".utf8), to: folder.appending("same"))
        try HostFiles.write(Array(name.utf8), to: folder.appending("notes"))
        return folder
      }
      try HostFiles.write([1], to: folders[1].appending("more"))
      let found = try await ImageComparison(folders[0].string, folders[1].string).run()
      #expect(
        found.differences.map(Place.init) == [
          Place("manifest.json", nil, "files[0].size"), Place("more", nil, "entry"),
          Place("notes", nil, "bytes"),
        ])
    }
  }

  @Test func aFolderAndAFileAreNotCompared() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: Fault.self) {
        _ = try await ImageComparison(scratch.string, Self.file).run()
      }
      #expect(error?.kind == .badInput)
    }
  }

  private static let file = "/etc/hostname"
}
