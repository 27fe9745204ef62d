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

  @Test func aConsoleOverItsLimitIsReadNoFurther() async throws {
    try await withScratchDirectory { folder in
      let path = folder.appending("console.log")
      try Data(repeating: UInt8(ascii: "\n"), count: 300_000).write(to: URL(fileURLWithPath: path.string))
      let calls = Mutex(0)
      let console = ConsoleLog(path: path, byteLimit: 100_000) {
        _ in
      } onFull: {
        calls.withLock { $0 += 1 }
      }
      console.finish()
      #expect(calls.withLock { $0 } == 1)
      #expect(console.byteCount <= 100_000 + 1 << 16)
    }
  }

  @Test(
    "what a guest prints over counts once",
    arguments: [
      (
        (1...90).map {
          "[ *\($0 % 2 == 0 ? "*" : " ")  ] (1 of 2) A start job is running for X (\($0)s / no limit)\r\n"
        }
        .joined(), ["[ **  ] (1 of 2) A start job is running for X (90s / no limit)"]
      ),
      (
        // As systemd prints to a terminal: up one line, back, erase.
        "[ ***  ] A start job (1s)\n"
          + (2...90).map { "\u{1B}M\r\u{1B}[K[ \u{1B}[0;31m*\u{1B}[0m  ] A start job (\($0)s)\n" }.joined()
          + "\u{1B}M\r\u{1B}[K[FAILED] X\nsee log\n", ["[FAILED] X", "see log"]
      ),
      ((0...100).map { "\($0)%\r" }.joined() + "\ndone\r\r\n", ["100%", "done"]),
      ("[ OK ] a\n[ OK ] a\n", ["[ OK ] a", "[ OK ] a"]),
    ])
  func animation(printed: String, lines: [String]) {
    var console = ConsoleLines()
    _ = console.take(Array("first\n".utf8))
    _ = console.take(Array(printed.utf8))
    #expect(console.last(40) == ["first"] + lines)
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
