import Basics
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite struct InputFileTests {
  @Test func aFIFOIsReadToItsEnd() async throws {
    try await withScratchDirectory { scratch in
      let fifo = scratch.appending("fifo").string
      try await SubprocessRunner().run("mkfifo", fifo)
      async let written = SubprocessRunner().run(
        "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done >\(fifo)")
      let bytes = try await onThread { try InputFile.read(fifo, "the file", limit: 100) }
      _ = try await written
      #expect(bytes == Array("1\n2\n3\n".utf8))
    }
  }

  @Test func whatCannotBeReadIsSaidWithItsReason() async throws {
    try await withScratchDirectory { scratch in
      func reason(_ path: String, limit: Int = 10) -> String {
        do {
          _ = try InputFile.read(path, "the file", limit: limit)
          return ""
        } catch {
          return (error as? Fault)?.cause ?? "\(error)"
        }
      }
      #expect(reason("\(scratch)/none").contains("No such file"))
      #expect(reason(scratch.string).contains("directory"))
      #expect(reason("/dev/zero", limit: 1 << 20).contains("1024 KiB"))
      let empty = try InputFile.read("/dev/null", "the file", limit: 0)
      #expect(empty.isEmpty)
    }
  }
}
