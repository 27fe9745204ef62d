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
  private let outbox: Outbox
  private let isBusy = Mutex(false)
  private let bootFaults = BootFaults.all()

  private init(outbox: Outbox) {
    self.outbox = outbox
  }

  /// Never returns.
  static func run() -> Never {
    do {
      let port = try ControlPort.open()
      var hello = true
      let agent = Agent(outbox: Outbox(port: port))
      try port.readMessages { message in
        if hello {
          hello = false
          try agent.greet(message)
        } else {
          try agent.handle(message)
        }
      }
      Console.powerOff(because: "the host has closed the port")
    } catch {
      Console.powerOff(because: "\(error)")
    }
  }

  /// Answers the host's hello with this build's own, whatever the versions are: the host explains a mismatch
  /// better.
  private func greet(_ message: HostMessage) throws {
    guard case .hello(AgentProtocol.magic, let oldest, let newest, _) = message else {
      throw Fault(.failed, "the first message on the port is not a host's hello")
    }
    try outbox.start(with: .hello(build: SlipwayVersion.named))
    guard oldest <= AgentProtocol.version, AgentProtocol.oldestVersion <= newest else {
      outbox.waitUntilSent()
      throw Fault(
        .failed,
        "the host speaks versions \(oldest) to \(newest) of the protocol, "
          + "this agent \(AgentProtocol.oldestVersion) to \(AgentProtocol.version)")
    }
    for fault in bootFaults { outbox.send(.event(.warning("when the guest started: \(fault)"))) }
    try SystemLog.start { [outbox] in outbox.send(.event(.log($0))) }
  }

  private func handle(_ message: HostMessage) throws {
    switch message {
    case .hello:
      throw Fault(.failed, "the host said hello twice")
    case .powerOff: Console.powerOff()
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
