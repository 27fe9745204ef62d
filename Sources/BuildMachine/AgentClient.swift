package import AgentProtocol
internal import Basics
internal import SystemPackage

/// The host's side of the talk with one agent.
///
/// ```
/// connect ──hello──► greeted ──begin──► idle ──perform──► waiting for the reply ──► idle ──powerOff──► (the guest ends)
///                       └──────────────────────any fault───────────────────────► lost: every later call fails
/// ```
/// A fault is an end of the stream, silence, a frame that is no message, or a message out of turn.
package actor AgentClient {
  /// How many of a step's last lines are kept, for a step that ends without a reply.
  private static let keptLines = 20
  private static let writeLimit = Duration.seconds(30)
  private static let retryInterval = Duration.milliseconds(50)

  /// The agent's build, as its hello told.
  package private(set) var build = ""

  private let channel: AgentChannel
  private let witness: GuestWitness
  private let receiveLimit: Int
  private let messageLimit: Int
  private var decoder = FrameDecoder<AgentMessage>()
  private var received: [AgentMessage] = []
  private var receivedBytes = 0
  private var receivedMessages = 0
  /// What the step under way has printed last, escaped.
  private var stepLines: [String] = []
  private var lastID = 0
  private var isBusy = false

  /// - Parameter channel: connected; this becomes its only reader.
  init(
    channel: AgentChannel, witness: GuestWitness, receiveLimit: Int = AgentProtocol.receiveLimit,
    messageLimit: Int = AgentProtocol.messageLimit
  ) {
    self.channel = channel
    self.witness = witness
    self.receiveLimit = receiveLimit
    self.messageLimit = messageLimit
  }

  /// Connects to a socket as soon as somebody listens there.
  static func channel(
    at socket: FilePath, within limit: Duration, witness: GuestWitness
  ) async throws -> AgentChannel {
    let deadline = ContinuousClock.now + limit
    while true {
      do {
        return AgentChannel(try UnixSocket.connect(to: socket))
      } catch {
        let attempt = "connect to the agent's channel \(socket)"
        let mayCome = error == .noSuchFileOrDirectory || error == .connectionRefused
        guard mayCome, ContinuousClock.now < deadline, await witness.end(.zero) == nil else {
          throw await witness.error(attempt: attempt, seen: String(describing: error))
        }
        try await Task.sleep(for: retryInterval)
      }
    }
  }

  /// Exchanges hellos.
  ///
  /// - Parameters:
  ///   - build: this build's name, for the agent's messages.
  ///   - limit: how long the agent may take; its boot is part of that.
  /// - Throws: `Fault`, also when there is no protocol version that both speak; `CancellationError`.
  func shakeHands(build ownBuild: String, within limit: Duration) async throws {
    let attempt = "reach the agent in the guest"
    try await send(.hello(build: ownBuild), attempt: attempt)
    let message = try await receive(attempt: attempt, silence: limit, limit: limit, since: .now)
    guard case .hello(AgentProtocol.magic, let oldest, let newest, let build) = message else {
      throw await fault(attempt, "what answers on the agent's channel is not a Slipway agent")
    }
    self.build = TerminalText.escaped(build)
    guard oldest <= AgentProtocol.version, newest >= AgentProtocol.oldestVersion else {
      throw await fault(
        attempt,
        "the agent (build \(self.build)) speaks protocol \(oldest) to \(newest), and this"
          + " slipway (build \(ownBuild)) speaks \(AgentProtocol.oldestVersion) to \(AgentProtocol.version)",
        remedy: "Build the appliance anew: slipway appliance build")
    }
  }

  /// Begins the session: the guest takes the context for its own.
  ///
  /// - Parameters:
  ///   - limit: how long it may take altogether.
  ///   - onEvent: is given what the agent reports meanwhile.
  /// - Throws: `Fault`, also when a disk does not appear; `CancellationError`.
  package func begin(
    _ context: GuestContext, limit: Duration = .seconds(120), onEvent: @Sendable (Event) -> Void = { _ in }
  ) async throws {
    let attempt = "begin the session with the agent"
    let failure = try await ask(attempt: attempt, silence: limit, limit: limit, onEvent: onEvent) {
      .begin(id: $0, session: context)
    }
    if let failure { throw await stepError(failure, attempt: attempt) }
  }

  /// Has the agent do one step, and returns when the agent says that it is done.
  ///
  /// - Parameters:
  ///   - secrets: what the step's programs may read while they run.
  ///   - silence: how long the agent may send nothing at all; its heartbeats count as something.
  ///   - limit: how long the step may take altogether.
  ///   - onEvent: is given what the agent reports meanwhile, with texts escaped and numbers bounded.
  /// - Throws: `Fault`; `CancellationError`, after which the agent is lost.
  package func perform(
    _ step: InstallStep, secrets: [SecretFile] = [], silence: Duration = .seconds(60),
    limit: Duration = .seconds(3600),
    onEvent: @Sendable (Event) -> Void = { _ in }
  ) async throws {
    let attempt = "do the step \(step.name)"
    let failure = try await ask(attempt: attempt, silence: silence, limit: limit, onEvent: onEvent) {
      .request(id: $0, step: step, secrets: secrets)
    }
    if let failure { throw await stepError(failure, attempt: attempt) }
  }

  /// Gives a person a shell on the guest's second serial port, and returns when that shell ends.
  ///
  /// - Throws: `Fault`; `CancellationError`, after which the agent is lost.
  package func debugShell() async throws {
    let attempt = "give a shell in the guest"
    // A person may think for a day.
    let limit = Duration.seconds(86_400)
    let failure = try await ask(attempt: attempt, silence: limit, limit: limit) { .debugShell(id: $0) }
    if let failure { throw await stepError(failure, attempt: attempt) }
  }

  /// Asks the agent to power off; the machine ends then.
  ///
  /// - Throws: `Fault`.
  func powerOff() async throws {
    try await send(.powerOff, attempt: "ask the agent to power off")
  }

  /// Sends a request and passes on events until its reply comes.
  private func ask(
    attempt: String, silence: Duration, limit: Duration, onEvent: @Sendable (Event) -> Void = { _ in },
    _ message: (Int) -> HostMessage
  ) async throws -> StepFailure? {
    guard !isBusy else {
      throw Fault(.failed, "could not \(attempt)", cause: "the agent still does something else")
    }
    isBusy = true
    defer { isBusy = false }
    lastID += 1
    let id = lastID
    stepLines = []
    let start = ContinuousClock.now
    try await send(message(id), attempt: attempt)
    while true {
      switch try await receive(attempt: attempt, silence: silence, limit: limit, since: start) {
      case .event(let event):
        let event = event.bounded.escaped
        keep(event)
        onEvent(event)
      case .reply(id, let failure): return failure
      case .reply(let other, _):
        throw await fault(attempt, "the agent answered request \(other) instead of \(id)")
      case .hello: throw await fault(attempt, "the agent started anew in the middle of a request")
      }
    }
  }

  private func keep(_ event: Event) {
    guard case .log(let line) = event else { return }
    if stepLines.count == Self.keptLines { stepLines.removeFirst() }
    stepLines.append(line)
  }

  private func send(_ message: HostMessage, attempt: String) async throws {
    do {
      try await channel.write(try FrameCodec.encode(message), within: Self.writeLimit)
    } catch let error as FrameError {
      throw Fault(.failed, "could not \(attempt)", cause: "the request is too large: \(error)")
    } catch let error as Errno {
      try Task.checkCancellation()
      throw await lost(attempt, "the agent's channel does not take a request: \(error)")
    }
  }

  /// The next message.
  private func receive(
    attempt: String, silence: Duration, limit: Duration, since start: ContinuousClock.Instant
  ) async throws -> AgentMessage {
    let deadline = start + limit
    let quiet = ContinuousClock.now + silence
    while received.isEmpty {
      switch try await channel.read(within: min(quiet, deadline) - .now) {
      case .bytes(let bytes): try await take(bytes, attempt: attempt)
      case .end: throw await lost(attempt, "the agent closed its channel")
      case .nothing where quiet < deadline:
        throw await givenUp(attempt, "the agent sent nothing in \(silence.components.seconds) seconds")
      case .nothing:
        throw await givenUp(
          attempt, "it was not done within its limit of \(limit.components.seconds) seconds")
      }
    }
    return received.removeFirst()
  }

  private func take(_ bytes: [UInt8], attempt: String) async throws {
    receivedBytes += bytes.count
    guard receivedBytes <= receiveLimit else {
      throw await fault(attempt, "the agent sent more than \(receiveLimit) bytes")
    }
    do {
      received = try decoder.push(bytes)
    } catch {
      throw await fault(attempt, "the agent broke the protocol: \(TerminalText.escaped(error.description))")
    }
    receivedMessages += received.count
    guard receivedMessages <= messageLimit else {
      throw await fault(attempt, "the agent sent more than \(messageLimit) messages")
    }
  }

  /// The agent is gone: the machine may know why.
  private func lost(_ attempt: String, _ seen: String) async -> Fault {
    channel.hangUp()
    var error = await witness.error(attempt: attempt, seen: seen)
    error.evidence = stepLines + error.evidence
    return error
  }

  /// This side gives up. That is the cause, unless the machine had ended before: what becomes of a guest whose host
  /// has hung up is not.
  private func givenUp(_ attempt: String, _ cause: String) async -> Fault {
    let error = await witness.errorNow(attempt: attempt, cause: cause)
    channel.hangUp()
    return Fault(
      error.kind, "could not \(attempt)", cause: error.cause, remedy: error.remedy,
      evidence: stepLines.isEmpty ? error.evidence : stepLines)
  }

  /// The agent did what it must not.
  private func fault(_ attempt: String, _ cause: String, remedy: String? = nil) async -> Fault {
    channel.hangUp()
    return Fault(
      .failed, "could not \(attempt)", cause: cause, remedy: remedy, evidence: witness.lastLines())
  }

  /// What the machine knows of its disks. It is told by an event, which may come a moment after the guest's own word of
  /// what failed by it.
  private func diskFault() async -> DiskFault? {
    for _ in 0..<20 {
      if let fault = witness.diskFault() { return fault }
      try? await Task.sleep(for: .milliseconds(25))
    }
    return witness.diskFault()
  }

  /// The agent did its part right, and says that the step failed.
  private func stepError(_ failure: StepFailure, attempt: String) async -> Fault {
    let command = failure.command.map { ["$ \(TerminalText.escaped($0))"] } ?? []
    let evidence = command + failure.output.suffix(StepFailure.outputLines).map(TerminalText.escaped)
    let message = TerminalText.escaped(failure.message)
    guard let disk = await diskFault() else {
      return Fault(
        .failed, "could not \(attempt)", cause: message, remedy: failure.remedy.map(TerminalText.escaped),
        evidence: evidence)
    }
    return Fault(
      .failed, "could not \(attempt)", cause: disk.description, remedy: disk.remedy,
      evidence: [message] + evidence)
  }
}

extension Event {
  /// The event with its text made fit for a terminal.
  fileprivate var escaped: Event {
    switch self {
    case .log(let line): .log(TerminalText.escaped(line))
    case .warning(let text): .warning(TerminalText.escaped(text))
    case .heartbeat, .progress: self
    }
  }
}
