internal import Basics
import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// Names in which some tool reads more than a name.
private let hostileNames = [
  "a$(touch PWNED)b", "a`touch PWNED`b", "x@@1048576", "a:b", "json:{}", "nbd:localhost:1", "-rf", "--help",
  "a b", "a\nb", "a\\b", "a\"b'c", "a[0-9]b", "a*b?", "a,b=c", "a;touch PWNED", "~", "%s", "größe-東京",
  String(repeating: "n", count: 240),
]

/// A path is never tool syntax.
@Suite struct HostileNameTests {
  private let runner = SubprocessRunner()

  /// Nothing of the names runs, and every tool finds the file.
  @Test(arguments: hostileNames)
  func aStoreIsCheckedAgainstAnImageWithAnyName(name: String) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await BootableDisk.make(in: scratch)
      let folder = scratch.appending(name)
      try HostFiles.makeDirectory(folder)
      for format in [ImageFormat.raw, .qcow2, .compressedRaw, .archivedRaw] {
        let image = folder.appending("\(name.prefix(200)).\(format.fileExtension)")
        let conversion =
          switch format {
          case .compressedRaw: Command("zstd", ["-q", "disk.raw", "-o", "x"], folder: scratch.string)
          case .archivedRaw: Command("tar", ["-czf", "x", "disk.raw"], folder: scratch.string)
          default:
            Command(
              "qemu-img", ["convert", "-f", "raw", "-O", format.qemuName, disk.string, "x"],
              folder: scratch.string)
          }
        try await runner.run(conversion)
        try HostFiles.rename(scratch.appending("x"), to: image)
        let found = try await BootDiskReader().read(image: image.string, format: format)
        #expect(found.hasFallbackLoader, "\(format)")
        #expect(found.partitions.count == 1)
      }
      #expect(!HostFiles.exists(FilePath(FileManager.default.currentDirectoryPath).appending("PWNED")))
      #expect(!HostFiles.exists(scratch.appending("PWNED")))
    }
  }

  @Test(arguments: hostileNames)
  func anImageIsMadeInAFolderWithAnyName(name: String) async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending(name)
      try HostFiles.makeDirectory(folder)
      let disk = folder.appending("target.raw")
      try HostFiles.makeSparseFile(disk, bytes: 8 << 20)
      let layout = DiskLayout(
        table: .gpt, sectorSize: 512, sectors: 16384, guid: GUID(high: 1, low: 2), partitions: [])
      try await PartitionTableWriter(runner: runner).write(layout, to: disk)
      let images = ImageFormat.allCases.map {
        OutputImage(
          disk: "d", format: $0, file: "\(name.prefix(200)).\($0.rawValue)", identifier: GUID(high: 3, low: 4)
        )
      }
      try await DiskExport(runner: runner).export(raw: disk, as: images, in: folder)
      for image in images { #expect(HostFiles.exists(folder.appending(image.file)), "\(image.file)") }
      #expect(!HostFiles.exists(folder.appending("PWNED")))
    }
  }

  @Test func aCommandInAFolderCanBePasted() {
    let command = Command("mdir", ["-i", "disk"], folder: "/a b")
    #expect(command.description == "(cd '/a b' && mdir -i disk)")
  }
}

/// A copy is never less private than its source.
@Suite struct PrivateCopyTests {
  @Test func aScratchFolderIsThisUsersAlone() async throws {
    try await ScratchFolder.with("test") { folder in
      let permissions = try FileStatus(of: folder).permissions
      #expect(permissions == 0o700)
    }
  }

  @Test(arguments: [(0o600, 0o600), (0o640, 0o640), (0o644, 0o644)])
  func anEditedCopyOfAStoreIsAsPrivateAsTheStore(source: mode_t, copy: mode_t) async throws {
    try await withScratchDirectory { scratch in
      let (store, out) = (scratch.appending("store.fd"), scratch.appending("out.fd"))
      try HostFiles.write(HostFiles.read("/usr/share/OVMF/OVMF_VARS_4M.fd"), to: store)
      chmod(store.string, source)
      try await VariableStoreFile(store.string).edit(into: out.string) { _ in }
      #expect(try FileStatus(of: out).permissions & ~copy == 0)
    }
  }
}
