import AgentProtocol
import Basics
import Glibc
import Synchronization
import Testing

@testable import slipway_agent

/// What the agent sends, as the host's end of the port gets it. The guest's end stays open, and nothing here may end a
/// machine.
@Suite(.timeLimit(.minutes(5))) struct OutboxTests {
  private static let hello = AgentMessage.hello(build: "test")

  /// The host's end, which reads when it is told to.
  private final class Host: Sendable {
    let outbox: Outbox
    private let end: Int32
    private let received = Mutex((decoder: FrameDecoder<AgentMessage>(), waiting: [AgentMessage]()))

    init() throws {
      var ends: [Int32] = [0, 0]
      try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      end = ends[0]
      outbox = Outbox(port: ControlPort(descriptor: ends[1])) { _ in while true { sleep(1000) } }
    }

    /// The next message. Blocks.
    private func next() throws -> AgentMessage {
      try received.withLock { received in
        var buffer = [UInt8](repeating: 0, count: 4096)
        while received.waiting.isEmpty {
          let length = Glibc.read(end, &buffer, buffer.count)
          try #require(length > 0)
          received.waiting = try received.decoder.push(buffer[..<length])
        }
        return received.waiting.removeFirst()
      }
    }

    /// The next messages, with the heartbeats between them or without.
    func read(_ count: Int, heartbeats: Bool = false) async throws -> [AgentMessage] {
      try await onThread { [self] in
        var messages: [AgentMessage] = []
        while messages.count < count {
          let message = try next()
          if heartbeats || message != .event(.heartbeat) { messages.append(message) }
        }
        return messages
      }
    }
  }

  @Test func theHelloIsFirstAndTheRestInTheirOrder() async throws {
    let host = try Host()
    try host.outbox.start(with: Self.hello)
    try await onThread { host.outbox.waitUntilSent() }
    let rest: [AgentMessage] = [
      .event(.log("one")), .event(.warning("two")), .event(.progress(done: 1, total: 2)),
      .reply(id: 1),
    ]
    for message in rest { host.outbox.send(message) }
    #expect(try await host.read(5) == [Self.hello] + rest)
  }

  @Test func anAgentThatHasNothingToSaySaysThatItIsAlive() async throws {
    let host = try Host()
    host.outbox.beginHeartbeats()
    try host.outbox.start(with: Self.hello)
    let start = ContinuousClock.now
    let messages = try await host.read(3, heartbeats: true)
    #expect(messages == [Self.hello, .event(.heartbeat), .event(.heartbeat)])
    // The second one an interval after the first.
    #expect(start.duration(to: .now) > .seconds(AgentProtocol.heartbeatInterval))
  }

  @Test func beforeTheSessionBeginsNothingIsSentUnasked() async throws {
    let host = try Host()
    try host.outbox.start(with: Self.hello)
    try await Task.sleep(for: .seconds(AgentProtocol.heartbeatInterval) * 1.5)
    host.outbox.beginHeartbeats()
    host.outbox.send(.reply(id: 1))
    let messages = try await host.read(3, heartbeats: true)
    #expect(messages == [Self.hello, .reply(id: 1), .event(.heartbeat)])
  }

  @Test func aSenderWaitsForASlowHostAndNothingIsLost() async throws {
    let host = try Host()
    try host.outbox.start(with: Self.hello)
    // Twice what the queue and a socket hold.
    let lines = (0..<1000).map { "\($0) " + String(repeating: "x", count: 1000) }
    let count = Counter()
    try startThread {
      for line in lines {
        host.outbox.send(.event(.log(line)))
        count.add()
      }
    }
    try await Task.sleep(for: .milliseconds(300))
    #expect(count.value < lines.count)
    let received = try await host.read(lines.count + 1)
    #expect(received == [Self.hello] + lines.map { .event(.log($0)) })
  }

  @Test func eachRequestHasABudgetOfItsOwn() async throws {
    let host = try Host()
    let line = AgentMessage.event(.log(String(repeating: "x", count: 4000)))
    try host.outbox.start(with: Self.hello)
    try startThread {
      for _ in 0..<2200 { host.outbox.send(line) }
      host.outbox.send(.reply(id: 1))
      host.outbox.beginRequest()
      host.outbox.send(.event(.log("the next request's")))
      host.outbox.send(.reply(id: 2))
    }
    var messages: [AgentMessage] = []
    while messages.last != .reply(id: 2) { messages += try await host.read(1) }
    let others = messages.filter { $0 != line && $0 != Self.hello }
    #expect(messages.count { $0 == line } < 2200)
    #expect(others.count == 4)
    guard others.count == 4, case .event(.log(let note)) = others[0] else {
      Issue.record("nothing says that lines are missing: \(others)")
      return
    }
    #expect(note.contains("lines of output are left out"))
    #expect(
      others.dropFirst() == [.reply(id: 1), .event(.log("the next request's")), .reply(id: 2)])
  }

  @Test func aHostThatIsGoneEndsTheGuest() async throws {
    let (reasons, sink) = AsyncStream.makeStream(of: String.self)
    let outbox = Outbox(port: ControlPort(descriptor: -1)) { reason in
      sink.yield(reason)
      while true { sleep(1000) }
    }
    try outbox.start(with: Self.hello)
    let reason = await reasons.first { _ in true }
    #expect(
      reason?.contains("cannot write to the agent's port: Bad file descriptor") == true, "\(reason ?? "")")
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  func add() { count.withLock { $0 += 1 } }
}
