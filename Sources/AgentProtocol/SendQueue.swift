/// The agent's messages on their way to the host, as frames. A value without clocks or threads.
///
/// All that waits is bounded, and all that is ever sent stays below what the host takes in an agent's life
/// (`AgentProtocol.receiveLimit`): output and warnings have a budget for each request and one for all. What is over
/// its budget is counted, and the count is sent with the next other message. Replies always fit.
package struct SendQueue: Sendable {
  /// What became of an offered message.
  package enum Verdict: Hashable, Sendable {
    /// It waits to be sent, or was counted as over its budget.
    case done
    /// There is no room before something was sent: offer it again.
    case full
  }

  /// The longest line of output, in bytes.
  package static let lineLimit = 4 << 10
  /// The frames that may wait for a slow host, in bytes.
  static let waitingLimit = 256 << 10
  /// The frames of output and warnings of one request, in bytes.
  static let requestLimit = 8 << 20
  /// The frames of output and warnings of all requests, in bytes.
  static let lifeLimit = 40 << 20
  /// What a frame counts at least, in bytes: an empty line is work for the host, too.
  static let leastCost = 64

  private var waiting: [[UInt8]] = []
  private var waitingBytes = 0
  private var requestBytes = 0
  private var lifeBytes = 0
  private var droppedLines = 0
  private var lastProgress: Int?

  private let requestLimit: Int
  private let lifeLimit: Int

  package init() {
    self.init(requestLimit: Self.requestLimit, lifeLimit: Self.lifeLimit)
  }

  init(requestLimit: Int, lifeLimit: Int) {
    self.requestLimit = requestLimit
    self.lifeLimit = lifeLimit
  }

  /// Gives the next request a budget of its own.
  package mutating func beginRequest() {
    requestBytes = 0
  }

  /// Puts a message at the end.
  ///
  /// - Throws: what the encoder throws.
  package mutating func offer(_ message: AgentMessage) throws -> Verdict {
    let frame = try FrameCodec.encode(message.bounded)
    switch message {
    case .hello, .reply: break
    case .event(.heartbeat): break
    case .event(.progress):
      // Only the latest counts; a host that is slow gets fewer.
      if let lastProgress, lastProgress == waiting.count - 1 {
        waitingBytes += frame.count - waiting[lastProgress].count
        waiting[lastProgress] = frame
        return .done
      }
    case .event(.log), .event(.warning):
      let cost = max(frame.count, Self.leastCost)
      guard requestBytes + cost <= requestLimit, lifeBytes + cost <= lifeLimit else {
        droppedLines += 1
        return .done
      }
      guard waiting.isEmpty || waitingBytes + frame.count <= Self.waitingLimit else { return .full }
      requestBytes += cost
      lifeBytes += cost
      append(frame)
      return .done
    }
    try noteDroppedLines()
    append(frame)
    if case .event(.progress) = message { lastProgress = waiting.count - 1 }
    return .done
  }

  /// All frames that wait, in their order. They count as sent.
  package mutating func takeAll() -> [[UInt8]] {
    defer {
      waiting = []
      waitingBytes = 0
      lastProgress = nil
    }
    return waiting
  }

  private mutating func append(_ frame: [UInt8]) {
    waiting.append(frame)
    waitingBytes += frame.count
  }

  private mutating func noteDroppedLines() throws {
    guard droppedLines > 0 else { return }
    let text =
      "(\(droppedLines) lines of output are left out: a step may print \(requestLimit >> 20) MiB)"
    droppedLines = 0
    append(try FrameCodec.encode(AgentMessage.event(.log(text))))
  }
}

extension AgentMessage {
  /// The same message with texts short enough that it fits a frame, whatever a command has printed. JSON can take six
  /// bytes for one.
  fileprivate var bounded: AgentMessage {
    switch self {
    case .hello, .event(.heartbeat), .event(.progress): return self
    case .event(.log(let line)): return .event(.log(line.cut(to: SendQueue.lineLimit)))
    case .event(.warning(let text)): return .event(.warning(text.cut(to: 16 * SendQueue.lineLimit)))
    case .reply(let id, let failure): return .reply(id: id, failure: failure?.bounded)
    }
  }
}

extension StepFailure {
  /// The most that its output may have, in lines and in bytes.
  package static let outputLines = 60
  private static let outputBytes = 64 << 10

  fileprivate var bounded: StepFailure {
    var bounded = self
    bounded.message = message.cut(to: 4 * SendQueue.lineLimit)
    bounded.command = command?.cut(to: 4 * SendQueue.lineLimit)
    bounded.remedy = remedy?.cut(to: SendQueue.lineLimit)
    let lines = output.suffix(Self.outputLines)
    let share = Self.outputBytes / max(lines.count, 1)
    bounded.output = lines.map { $0.cut(to: min(share, SendQueue.lineLimit)) }
    return bounded
  }
}

extension String {
  /// The text, or its first bytes and a mark that something is missing.
  fileprivate func cut(to limit: Int) -> String {
    guard utf8.count > limit else { return self }
    return String(decoding: utf8.prefix(limit), as: UTF8.self) + " …"
  }
}
