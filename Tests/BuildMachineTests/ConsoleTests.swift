internal import Foundation
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import BuildMachine

@Suite(.timeLimit(.minutes(1))) struct ConsoleTests {
  @Test func followsAFileThatComesLaterAndGrows() async throws {
    try await withScratchDirectory { folder in
      let path = folder.appending("console.log")
      let seen = Mutex<[String]>([])
      let console = ConsoleLog(path: path) { line in seen.withLock { $0.append(line) } }
      let text = console.text()
      #expect(console.byteCount == 0)
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
      try file.writeAll("first\r\nsec".utf8)
      var pieces = text.makeAsyncIterator()
      #expect(await pieces.next() == "first\r\nsec")
      #expect(console.lastLines == ["first", "sec"])
      try file.writeAll("ond\n\nlogin: ".utf8)
      console.finish()
      #expect(await pieces.next() == "ond\n\nlogin: ")
      #expect(await pieces.next() == nil)
      #expect(console.lastLines == ["first", "second", "login: "])
      #expect(seen.withLock { $0 } == ["first", "second", ""])
      #expect(console.byteCount == 22)
      #expect(await console.text().first { _ in true } == nil)
      try file.close()
    }
  }

  @Test func keepsALimitedNumberOfLimitedLines() async throws {
    try await withScratchDirectory { folder in
      let path = folder.appending("console.log")
      let long = String(repeating: "x", count: 10_000)
      let text = (1...100).map { "line \($0)\n" }.joined() + long
      try Data(text.utf8).write(to: URL(fileURLWithPath: path.string))
      let console = ConsoleLog(path: path)
      console.finish()
      #expect(console.lastLines.count == ConsoleLog.keptLines)
      #expect(console.lastLines.allSatisfy { $0.utf8.count <= ConsoleLog.lineLimit })
      #expect(console.lastLines.first == "line 64")
    }
  }
}
