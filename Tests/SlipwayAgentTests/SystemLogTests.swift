import Glibc
import InstallSteps
import SystemPackage
import TestSupport
import Testing

@testable import slipway_agent

/// Messages to the system log, as programs of the installed system send them.
@Suite(.timeLimit(.minutes(1))) struct SystemLogTests {
  @Test func aMessageIsTakenWithoutItsFraming() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("log").string
      let (lines, sink) = AsyncStream.makeStream(of: String.self)
      try SystemLog.start(at: path) { sink.yield($0) }
      let cases: [(sent: [UInt8], taken: String)] = [
        (Array("<13>activating".utf8), "activating"),
        // syslog(3) of other C libraries ends a message with a zero, a line, or both.
        (Array("<13>with a zero\0and what is behind it".utf8), "with a zero"),
        (Array("<3>a line\n".utf8), "a line"),
        (Array("no priority".utf8), "no priority"),
        (Array("<13 unclosed".utf8), "<13 unclosed"),
        (Array("<>".utf8), ""),
        (Array("a > b".utf8), "a > b"),
        ([0xFF, 0x41], "\u{FFFD}A"),
        // No longer than a datagram that is read at once.
        (
          Array("<13>".utf8) + Array(repeating: UInt8(ascii: "x"), count: 20_000),
          String(repeating: "x", count: 8188)
        ),
      ]
      for message in cases { try send(message.sent, to: path) }
      var taken: [String] = []
      for await line in lines {
        taken.append(line)
        if taken.count == cases.count { break }
      }
      #expect(taken == cases.map(\.taken))
    }
  }

  @Test func aPlaceThatIsTakenIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("log").string
      try SystemLog.start(at: path) { _ in }
      let failure = try #require(throws: SystemFailure.self) { try SystemLog.start(at: path) { _ in } }
      #expect(failure.errno == .addressInUse)
      #expect("\(failure)".contains(path))
    }
  }

  private func send(_ bytes: [UInt8], to path: String) throws {
    let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let sent = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(socket, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(sent == bytes.count)
  }
}
