internal import AgentProtocol
internal import Basics
internal import Command
internal import Glibc
internal import ImageModel
internal import InstallSteps
internal import Synchronization

/// Serves the host's requests, one at a time, until the host says goodbye or is gone; either ends the guest.
///
/// The main thread reads the port, so that power-off and a vanished host are seen at once, whatever a step
/// does. Steps run as tasks; the port's other direction and its heartbeat have a thread of their own in
/// `Outbox`.
final class Agent: Sendable {
  /// How far the session is.
  private enum Phase {
    case silent, greeted, begun
  }

  private let outbox: Outbox
  private let phase = Mutex(Phase.silent)
  private let isBusy = Mutex(false)
  private let bootFaults = BootFaults.all()

  private init(outbox: Outbox) {
    self.outbox = outbox
  }

  /// Never returns.
  static func run() -> Never {
    do {
      let port = try ControlPort.open()
      let agent = Agent(outbox: Outbox(port: port))
      try port.readMessages(hasBegun: { agent.is(.begun) }, agent.take)
      Console.powerOff(because: "the host has closed the port")
    } catch {
      Console.powerOff(because: "\(error)")
    }
  }

  private func `is`(_ wanted: Phase) -> Bool { phase.withLock { $0 == wanted } }

  private func take(_ message: HostMessage) throws {
    switch message {
    case .hello(let magic, let oldest, let newest, _):
      guard magic == AgentProtocol.magic else { throw Self.noHello }
      try greet(oldest, newest)
    case _ where self.is(.silent): throw Self.noHello
    case .begin(let id, let session): try begin(id, session)
    case .powerOff: Console.powerOff()
    case _ where !self.is(.begun): throw Fault(.failed, "the host asked for work before it began the session")
    case .request(let id, let step, let secrets):
      serve(id) { [outbox] () async throws(StepFailure) in
        let context = StepContext(commands: SubprocessRunner(isMarked: false), secrets: secrets) {
          outbox.send(.event($0))
        }
        try await step.run(in: context)
      }
    case .debugShell(let id):
      serve(id) { () async throws(StepFailure) in try await SerialShell.run() }
    }
  }

  private static var noHello: Fault {
    Fault(.failed, "the first message on the port is not a host's hello")
  }

  /// Answers the host's hello with this build's own, whatever the versions are: the host explains a mismatch
  /// better.
  private func greet(_ oldest: Int, _ newest: Int) throws {
    guard !self.is(.begun) else { throw Fault(.failed, "the host said hello in a session that has begun") }
    let isFirst = self.is(.silent)
    phase.withLock { $0 = .greeted }
    let hello = AgentMessage.hello(build: SlipwayVersion.named)
    if isFirst {
      try outbox.start(with: hello)
    } else {
      // All that came before is on another machine's console.
      Console.say("restored")
      outbox.send(hello)
    }
    guard oldest <= AgentProtocol.version, AgentProtocol.oldestVersion <= newest else {
      outbox.waitUntilSent()
      throw Fault(
        .failed,
        "the host speaks versions \(oldest) to \(newest) of the protocol, "
          + "this agent \(AgentProtocol.oldestVersion) to \(AgentProtocol.version)")
    }
  }

  private func begin(_ id: Int, _ session: GuestContext) throws {
    guard self.is(.greeted) else { throw Fault(.failed, "the host began the session twice") }
    // First of all: nothing of this guest may draw a random number that another's has drawn.
    try session.addEntropy()
    try session.setClock()
    phase.withLock { $0 = .begun }
    outbox.beginHeartbeats()
    for fault in bootFaults { outbox.send(.event(.warning("when the guest started: \(fault)"))) }
    try SystemLog.start { [outbox] in outbox.send(.event(.log($0))) }
    serve(id) { () async throws(StepFailure) in try DeviceTree().waitForDisks(session.disks) }
  }

  /// Starts a task that does the work and replies; refuses while another is under way.
  private func serve(_ id: Int, _ work: @escaping @Sendable () async throws(StepFailure) -> Void) {
    let isFree = isBusy.withLock { isBusy in
      defer { isBusy = true }
      return !isBusy
    }
    guard isFree else {
      let failure = StepFailure(message: "another request is under way; the agent serves one at a time")
      return outbox.send(.reply(id: id, failure: failure))
    }
    outbox.beginRequest()
    Task.detached { [self] in
      var failure: StepFailure?
      do throws(StepFailure) {
        try await work()
      } catch {
        failure = error.after(bootFaults)
      }
      isBusy.withLock { $0 = false }
      outbox.send(.reply(id: id, failure: failure))
    }
  }
}
