import Basics
import Command
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

@Suite("executables and their libraries")
struct ExecutableTests {
  @Test func aFileThatIsNoExecutableIsNamedWithTheReason() async throws {
    try await withScratchDirectory { scratch in
      let script = scratch.appending("tool")
      try write(Array("#!/bin/sh\n".utf8), to: script)
      #expect(throws: Fault.notAnExecutable(script, reason: "it is a script")) {
        try isStatic(script)
      }
      #expect(try isStatic("/usr/bin/busybox"))
      #expect(try !isStatic("/usr/bin/env"))
    }
  }

  @Test func librariesOfSeveralExecutables() async throws {
    let libraries = try await SharedLibraries(runner: SubprocessRunner())
      .resolve(["/usr/sbin/mke2fs", "/usr/sbin/sfdisk"])
    let names = Set(libraries.compactMap(\.lastComponent?.string))
    #expect(names.isSuperset(of: ["libext2fs.so.2", "libfdisk.so.1", "libc.so.6", "ld-linux-x86-64.so.2"]))
    #expect(libraries.allSatisfy { exists($0) })
    #expect(Set(libraries).count == libraries.count)
  }

  @Test func missingLibraryIsNamedWithItsExecutable() throws {
    let output = """
      /sbin/good:
      \tlinux-vdso.so.1 (0x00007ffd5a5f2000)
      \tlibc.so.6 => /lib/libc.so.6 (0x00007f0000000000)
      /sbin/broken:
      \tlibgone.so.1 => not found

      """
    #expect(throws: Fault.libraryMissing(library: "libgone.so.1", tool: "/sbin/broken")) {
      try SharedLibraries.parse(output, first: "/sbin/good")
    }
  }

  @Test func theOnlyExecutableHasNoHeading() throws {
    let output = "\tlibc.so.6 => /lib/libc.so.6 (0x01)\n\t/lib64/ld-linux-x86-64.so.2 (0x02)"
    #expect(
      try SharedLibraries.parse(output, first: "/sbin/one") == [
        "/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
      ])
    #expect(throws: Fault.libraryMissing(library: "libgone.so.1", tool: "/sbin/one")) {
      try SharedLibraries.parse("\tlibgone.so.1 => not found", first: "/sbin/one")
    }
  }
}
