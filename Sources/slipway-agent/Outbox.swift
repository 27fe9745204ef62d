internal import AgentProtocol
internal import Basics
internal import Dispatch
internal import InstallSteps
internal import Synchronization

/// Messages on their way to the host. One thread writes them, and says every two seconds that the agent is
/// alive.
///
/// Senders never wait. Log lines are bounded in length, in what may wait, and in what one request may write
/// in all: what does not fit is counted and dropped. Everything else is small and is kept.
final class Outbox: Sendable {
  /// The longest log line, in bytes.
  static let lineLimit = 4 << 10
  /// The log bytes that may wait for a slow host.
  private static let waitingLimit = 256 << 10
  /// The log bytes of one request.
  private static let requestLimit = 4 << 20

  fileprivate struct State {
    var waiting: [AgentMessage] = []
    var waitingLogBytes = 0
    var requestLogBytes = 0
    var droppedLines = 0
  }

  private let port: ControlPort
  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)
  private let firstSent = DispatchSemaphore(value: 0)

  init(port: ControlPort) {
    self.port = port
  }

  /// Starts to write, with the agent's hello.
  ///
  /// - Throws: `SystemFailure` when there is no thread for it.
  func start(with hello: AgentMessage) throws {
    send(hello)
    try startThread { [self] in writeForEver() }
  }

  /// Waits for the hello to be with the host. Blocks.
  func waitUntilSent() {
    firstSent.wait()
  }

  /// Gives the next request a log allowance of its own.
  func beginRequest() {
    state.withLock { $0.requestLogBytes = 0 }
  }

  func send(_ message: AgentMessage) {
    state.withLock { state in
      guard case .event(.log(let line)) = message else {
        state.noteDroppedLines()
        return state.waiting.append(message.bounded)
      }
      let cut = line.cut(to: Self.lineLimit)
      let size = cut.utf8.count
      guard state.waitingLogBytes + size <= Self.waitingLimit,
        state.requestLogBytes + size <= Self.requestLimit
      else { return state.droppedLines += 1 }
      state.noteDroppedLines()
      state.waitingLogBytes += size
      state.requestLogBytes += size
      state.waiting.append(.event(.log(cut)))
    }
    arrivals.signal()
  }

  private func writeForEver() {
    let interval = DispatchTimeInterval.seconds(AgentProtocol.heartbeatInterval)
    var nextHeartbeat = DispatchTime.now() + interval
    var isFirst = true
    while true {
      if arrivals.wait(timeout: nextHeartbeat) == .timedOut {
        nextHeartbeat = .now() + interval
        write(.event(.heartbeat))
      }
      for message in takeAll() { write(message) }
      if isFirst { firstSent.signal() }
      isFirst = false
    }
  }

  private func takeAll() -> [AgentMessage] {
    state.withLock { state in
      defer {
        state.waiting = []
        state.waitingLogBytes = 0
      }
      return state.waiting
    }
  }

  private func write(_ message: AgentMessage) {
    do {
      try port.write(FrameCodec.encode(message))
    } catch {
      Console.powerOff(because: "\(error)")
    }
  }
}

extension Outbox.State {
  fileprivate mutating func noteDroppedLines() {
    guard droppedLines > 0 else { return }
    waiting.append(
      .event(.log("(\(droppedLines) lines of output are left out: they came too fast or were too many)")))
    droppedLines = 0
  }
}

extension AgentMessage {
  /// The same message with texts short enough that it fits a frame, whatever a command has printed.
  fileprivate var bounded: AgentMessage {
    switch self {
    case .hello, .event(.heartbeat), .event(.progress): return self
    case .event(.log(let line)): return .event(.log(line.cut(to: Outbox.lineLimit)))
    case .event(.warning(let text)): return .event(.warning(text.cut(to: 16 * Outbox.lineLimit)))
    case .reply(var reply):
      if var failure = reply.failure {
        failure.message = failure.message.cut(to: 4 * Outbox.lineLimit)
        failure.command = failure.command?.cut(to: 4 * Outbox.lineLimit)
        failure.output = failure.output.suffix(20).map { $0.cut(to: Outbox.lineLimit) }
        reply.failure = failure
      }
      return .reply(reply)
    }
  }
}

extension String {
  /// The text, or its first bytes and a mark that something is missing.
  fileprivate func cut(to limit: Int) -> String {
    guard utf8.count > limit else { return self }
    return String(decoding: utf8.prefix(limit), as: UTF8.self) + " …"
  }
}
