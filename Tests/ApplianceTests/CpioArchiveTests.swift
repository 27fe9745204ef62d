import Basics
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

@Suite("cpio archives")
struct CpioArchiveTests {
  private let entries = [
    ArchiveEntry(path: "etc/name", node: .bytes(Array("slipway\n".utf8))),
    ArchiveEntry(path: "etc", node: .folder),
    ArchiveEntry(path: "dev/console", node: .characterDevice(major: 5, minor: 1)),
    ArchiveEntry(path: "dev", node: .folder),
    ArchiveEntry(path: "sh", node: .link("busybox")),
  ]

  @Test func bytesAreTheFormats() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("small.cpio")
      try CpioArchive.write([entries[0]], to: path)
      // magic, then ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
      let file =
        "070701" + "00000001" + "000081A4" + "00000000" + "00000000" + "00000001" + "00000000" + "00000008"
        + "00000000" + "00000000" + "00000000" + "00000000" + "00000009" + "00000000"
        + "etc/name\0" + "\0" + "slipway\n"
      let end =
        "070701" + "00000002" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000"
        + "00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000"
        + "TRAILER!!!\0" + "\0\0\0"
      #expect(try text(of: path) == file + end)
    }
  }

  @Test func anotherToolReadsIt() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("small.cpio")
      try CpioArchive.write(entries, to: path)
      let listing = try await SubprocessRunner().run(
        Command(
          "cpio", ["-tv", "--numeric-uid-gid", "--quiet", "-F", path.string], environment: ["TZ": "UTC"]))
      let lines = listing.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
      #expect(
        lines == [
          "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
          "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console",
          "drwxr-xr-x 2 0 0 0 Jan 1 1970 etc",
          "-rw-r--r-- 1 0 0 8 Jan 1 1970 etc/name",
          "lrwxrwxrwx 1 0 0 7 Jan 1 1970 sh -> busybox",
        ])
    }
  }

  @Test func orderOfEntriesDoesNotMatter() async throws {
    try await withScratchDirectory { scratch in
      let (one, other) = (scratch.appending("one"), scratch.appending("other"))
      try CpioArchive.write(entries, to: one)
      try CpioArchive.write(entries.reversed(), to: other)
      #expect(try contents(of: one) == contents(of: other))
    }
  }

  @Test func missingSourceIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let source = scratch.appending("absent")
      #expect(throws: Fault.file(source, reason: "No such file or directory")) {
        let entry = ArchiveEntry(path: "a", node: .file(source, executable: false))
        try CpioArchive.write([entry], to: scratch.appending("small.cpio"))
      }
    }
  }
}
