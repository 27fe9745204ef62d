internal import Basics
internal import Foundation
internal import Libvirt
internal import Synchronization
package import SystemPackage

/// A running machine. It exists only inside `withMachine`.
///
/// ```
///             ┌─ guest powers off, resets ──► shutDown
/// running ────┼─ kernel panics ─────────────► panicked        the first one counts:
///             ├─ QEMU dies ─────────────────► crashed         `ended()` returns it, the agent's channel is
///             ├─ stands still, disk failed ─► diskFailed      hung up, and the console's streams end
///             ├─ no first byte ─────────────► silent
///             ├─ endless console ───────────► talkative
///             └─ destroy() ─────────────────► destroyed
/// ```
package final class Machine: Sendable {
  /// The session's name and paths.
  package let session: MachineSession
  /// The guest's serial console.
  package let console: ConsoleLog
  /// An item for each time that the guest resets itself, in a domain that boots it again. Has one reader.
  package let reboots: AsyncStream<Void>

  private let domain: Domain
  private let consoleLimit: UInt64
  private let end = OneShot<MachineEnd>()
  /// The hypervisor is gone, whatever ended the machine.
  private let gone = OneShot<Void>()
  private let panicLine = OneShot<String>()
  private let consoleIsFull = OneShot<Void>()
  private let rebootSink: AsyncStream<Void>.Continuation
  private let state = Mutex(State())

  private struct State {
    var diskFault: DiskFault?
    var channels: [AgentChannel] = []
  }

  /// How long a panicking kernel's last lines are waited for.
  private static let panicPatience = Duration.milliseconds(300)
  private static let panicSign = "Kernel panic - not syncing"

  init(session: MachineSession, domain: Domain, consoleLimit: UInt64) {
    self.session = session
    self.domain = domain
    self.consoleLimit = consoleLimit
    (reboots, rebootSink) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    console = ConsoleLog(path: session.consoleLog, byteLimit: consoleLimit) { [panicLine] line in
      if line.contains(Self.panicSign) { panicLine.set(line) }
    } onFull: { [consoleIsFull] in
      consoleIsFull.set(())
    }
  }

  /// Waits until the machine has ended, and tells how.
  ///
  /// - Throws: `CancellationError`.
  package func ended() async throws -> MachineEnd {
    try await end.get()
  }

  /// Ends the machine at once, without asking its guest.
  ///
  /// - Throws: `Fault`.
  package func destroy() async throws {
    finish(.destroyed)
    do {
      try await domain.destroy()
    } catch let error as LibvirtError {
      throw Fault(
        .hostNotAble, "could not destroy the machine \(session.name)", cause: error.description)
    }
  }

  /// Plugs a device in.
  ///
  /// - Parameters:
  ///   - xml: the device, as it would stand in a domain.
  ///   - name: what it is, for messages.
  /// - Throws: `Fault`.
  package func plug(_ xml: String, name: String) async throws {
    do {
      try await domain.attachDevice(xml: xml)
    } catch let error as LibvirtError {
      throw Fault(
        .hostNotAble, "could not plug \(name) into the machine",
        cause: end.value?.description ?? error.message,
        remedy: end.value == nil ? "A template of your own needs a free slot for each disk" : nil,
        evidence: console.lastLines)
    }
  }

  /// Writes the machine's state into a draft; the machine goes on then. It must be one of the shared name, without disks,
  /// whose agent has said hello and waits.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  package func save(into draft: SavedMachineDraft) async throws {
    let (domain, path) = (domain, draft.memory.string)
    do {
      // A guest that stays paused is no guest: whoever waits for it ends it.
      try await PatientCall(attempt: "save the machine", relieve: {}).run {
        try await domain.saveMemory(to: path)
      }
    } catch let error as LibvirtError {
      throw Fault(.failed, "could not save the machine", cause: error.message)
    }
  }

  /// Writes a PNG of what the machine's screen shows. The domain needs a video device.
  ///
  /// - Throws: `Fault`.
  package func screenshot(to path: FilePath) async throws {
    let attempt = "take a screenshot"
    let type: String
    do {
      type = try await domain.screenshot(to: path.string)
    } catch let error as LibvirtError {
      throw Fault(
        .failed, "could not \(attempt)", cause: end.value?.description ?? error.description)
    }
    guard type == "image/png" else {
      try? TreeRemover.remove(path)
      throw Fault(
        .hostNotAble, "could not \(attempt)", cause: "this QEMU gives \(type) and not PNG",
        remedy: "Use QEMU 7.1 or later, built with libpng")
    }
  }

  /// The port of the domain's VNC screen; nil without one.
  ///
  /// - Throws: `Fault`.
  package func vncPort() async throws -> UInt16? {
    do {
      let xml = try await domain.description()
      return xml.firstMatch(of: /<graphics type='vnc' port='([0-9]+)'/).flatMap { UInt16($0.1) }
    } catch let error as LibvirtError {
      throw Fault(
        .failed, "could not find the port of the screen", cause: end.value?.description ?? error.description)
    }
  }

  /// Reaches the agent in the guest.
  ///
  /// - Parameters:
  ///   - build: this build's name, for messages about agents of another version.
  ///   - limit: how long the guest may take to boot.
  /// - Throws: `Fault`, `CancellationError`.
  package func connectAgent(build: String, within limit: Duration) async throws -> AgentClient {
    let witness = self.witness
    let channel = try await AgentClient.channel(at: session.agentSocket, within: limit, witness: witness)
    state.withLock { $0.channels.append(channel) }
    // The machine may have ended between the two.
    if end.value != nil { channel.hangUp() }
    let agent = AgentClient(channel: channel, witness: witness)
    try await agent.shakeHands(build: build, within: limit)
    return agent
  }

  /// Has the agent power the guest off, and returns when QEMU has ended and closed the disks.
  ///
  /// - Throws: `Fault` when the machine ends otherwise, or not in time; `CancellationError`.
  package func powerOff(_ agent: AgentClient, within limit: Duration = .seconds(60)) async throws {
    let attempt = "power the guest off"
    try await agent.powerOff()
    let isGone = await gone.get(within: limit) != nil
    try Task.checkCancellation()
    guard isGone, end.value == .shutDown else {
      throw Fault(
        .failed, "could not \(attempt)",
        cause: end.value?.description ?? "it still runs after \(limit.components.seconds) seconds",
        evidence: console.lastLines)
    }
  }

  private var witness: GuestWitness {
    GuestWitness(
      end: { [end] limit in limit == .zero ? end.value : await end.get(within: limit) },
      diskFault: { [self] in state.withLock { $0.diskFault } },
      lastLines: { [console] in console.lastLines })
  }

  /// Follows the machine until it is gone. Runs beside the body of `withMachine`.
  ///
  /// - Parameter firstByteLimit: how long the console may stay empty; nil for ever.
  func watch(_ events: AsyncStream<DomainEvent>, firstByteLimit: Duration?) async {
    await withTaskGroup { group in
      group.addTask { [self] in await follow(events) }
      group.addTask { [self] in
        guard let line = try? await panicLine.get() else { return }
        try? await Task.sleep(for: Self.panicPatience)
        finish(.panicked(line))
      }
      group.addTask { [self] in
        guard let firstByteLimit else { return }
        try? await Task.sleep(for: firstByteLimit)
        guard !Task.isCancelled, console.byteCount == 0 else { return }
        finish(.silent(firstByteLimit))
      }
      group.addTask { [self] in
        guard (try? await consoleIsFull.get()) != nil else { return }
        finish(.talkative(consoleLimit))
        // At once, or the host's disk fills up.
        try? await domain.destroy()
      }
      _ = try? await gone.get()
      group.cancelAll()
    }
  }

  private func follow(_ events: AsyncStream<DomainEvent>) async {
    for await event in events where event.domain == session.name {
      switch event.kind {
      case .stopped(.shutDown): finish(.shutDown)
      case .stopped(.destroyed): finish(.destroyed)
      case .stopped: finish(.crashed)
      case .panicked: finish(.panicked("reported by its panic device"))
      case .ioError(let error):
        guard state.withLock({ $0.diskFault == nil }) else { break }
        let fault = DiskFault(error)
        state.withLock { $0.diskFault = fault }
      case .rebooted: rebootSink.yield()
      case .suspended:
        if let fault = state.withLock({ $0.diskFault }) { finish(.diskFailed(fault)) }
      case .started, .resumed, .shutDown, .other: break
      }
      if case .stopped = event.kind {
        gone.set(())
        return
      }
    }
  }

  /// Notes how the machine ended, and lets everybody who waits for the guest go on.
  private func finish(_ reason: MachineEnd) {
    // Before anybody is told: the guest's last lines belong to the message.
    console.finish()
    // A kernel that panicked may have reset the machine at once.
    let panic = panicLine.value.map { MachineEnd.panicked($0) }
    end.set(reason == .destroyed ? reason : panic ?? reason)
    rebootSink.finish()
    let channels = state.withLock { $0.channels }
    for channel in channels { channel.hangUp() }
  }
}
