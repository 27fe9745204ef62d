import Basics
import Command
import SystemPackage
import Testing

@testable import Appliance

@Suite("executables and their libraries")
struct ExecutableTests {
  @Test func dynamicExecutableNamesItsLoader() throws {
    let path: FilePath = "/usr/bin/env"
    let interpreter = try ELFExecutable(contents(of: path), path: path).interpreter
    #expect(interpreter == "/lib64/ld-linux-x86-64.so.2")
  }

  @Test func staticExecutableNamesNone() throws {
    let path: FilePath = "/usr/bin/busybox"
    #expect(try ELFExecutable(contents(of: path), path: path).interpreter == nil)
  }

  @Test func otherFilesAreRefused() throws {
    func reason(_ bytes: [UInt8]) -> String? {
      do {
        _ = try ELFExecutable(bytes, path: "/f")
        return nil
      } catch {
        return "\(error)"
      }
    }
    func refusal(_ reason: String) -> String { "\(Fault.notAnExecutable("/f", reason: reason))" }
    #expect(reason(Array("#!/bin/sh\n".utf8)) == refusal("it is a script"))
    #expect(reason([]) == refusal("it is not an ELF file"))
    #expect(reason([0x7F, 0x45, 0x4C, 0x46, 1, 1]) == refusal("it is not 64-bit little-endian"))
    #expect(reason([0x7F, 0x45, 0x4C, 0x46, 2, 1]) == refusal("it is truncated"))
    let env = try contents(of: "/usr/bin/env")
    #expect(reason(Array(env.prefix(0x80))) == refusal("it is truncated"))
    // A table far beyond the end, and the largest number there is.
    #expect(
      reason(Array(env.prefix(0x20)) + Array(repeating: 0xFF, count: 0x20)) == refusal("it is truncated"))
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
