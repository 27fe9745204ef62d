internal import AgentProtocol
internal import Basics
internal import Foundation
internal import ImageModel
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import BuildMachine
@testable internal import Libvirt

@Suite(.timeLimit(.minutes(1))) struct AgentClientTests {
  static let step = InstallStep.finish(disk: .disk(serial: "target"), kept: [])

  /// A client that has shaken hands with an agent that goes on with `script`.
  private func client(
    _ script: [FakeAgent.Action], witness: GuestWitness = .nothing,
    receiveLimit: Int = AgentProtocol.receiveLimit
  ) async throws -> (AgentClient, FakeAgent) {
    let agent = try FakeAgent(FakeAgent.greeting + script)
    let client = AgentClient(
      channel: AgentChannel(agent.host), witness: witness, receiveLimit: receiveLimit)
    try await client.shakeHands(build: "host", within: .seconds(10))
    return (client, agent)
  }

  /// The error of a step that is given to an agent that goes on with `script`.
  private func failure(
    _ script: [FakeAgent.Action], witness: GuestWitness = .nothing,
    receiveLimit: Int = AgentProtocol.receiveLimit,
    silence: Duration = .seconds(10), limit: Duration = .seconds(10)
  ) async throws -> Fault? {
    let (client, _) = try await client(script, witness: witness, receiveLimit: receiveLimit)
    return await #expect(throws: Fault.self) {
      try await client.perform(Self.step, silence: silence, limit: limit)
    }
  }

  @Test func performsStepsAndPassesOnEvents() async throws {
    let (client, agent) = try await client([
      .hear, .say(.event(.log("one"))), .say(.event(.progress(done: 1, total: 2))), .answer(),
      .say(.event(.heartbeat)), .hear, .answer(), .hear,
    ])
    #expect(await client.build == "fake")
    let events = Mutex<[Event]>([])
    try await client.perform(Self.step) { event in events.withLock { $0.append(event) } }
    #expect(events.withLock { $0 } == [.log("one"), .progress(done: 1, total: 2)])
    try await client.perform(Self.step)
    try await client.powerOff()
    await #expect(throws: Fault.self) { try await client.perform(Self.step) }
    #expect(
      agent.heard == [
        .hello(build: "host"), .request(id: 1, step: Self.step),
        .request(id: 2, step: Self.step), .powerOff,
      ])
  }

  @Test func aFailedStepLeavesTheAgentUsable() async throws {
    let reported = StepFailure(message: "disk is \u{1B}[31mfull", command: "cp a b", output: ["x\r\u{7}y"])
    let (client, agent) = try await client([.hear, .answer(reported), .hear, .answer()])
    let error = await #expect(throws: Fault.self) { try await client.perform(Self.step) }
    #expect(
      error
        == Fault(
          .failed, "could not do the step finish", cause: "disk is full",
          evidence: ["$ cp a b", "x\\u{D}\\u{7}y"]))
    try await client.debugShell()
    #expect(agent.heard.last == .debugShell(id: 2))
  }

  @Test func aDiskErrorOfTheHostComesFirst() async throws {
    var witness = GuestWitness.nothing
    let disk = DiskFault(
      DiskError(path: "/w/target.qcow2", device: "virtio-disk0", reason: ""), free: 4096)
    witness.diskFault = { disk }
    let error = try await failure(
      [.hear, .answer(StepFailure(message: "input/output error"))], witness: witness)
    #expect(
      error?.cause
        == "the host could not write /w/target.qcow2: the host's filesystem that it is on is full: 4.0 KiB are free"
    )
    #expect(error?.remedy?.contains("/w, or build in another folder") == true)
    #expect(error?.evidence == ["input/output error"])
  }

  /// The event and the guest's reply come on two ways.
  @Test func aDiskErrorThatIsToldAMomentLaterComesFirstAsWell() async throws {
    var witness = GuestWitness.nothing
    let later = ContinuousClock.now + .milliseconds(200)
    let disk = DiskFault(
      DiskError(path: "/w/target.qcow2", device: "virtio-disk0", reason: "enospc"), free: 1 << 30)
    witness.diskFault = { ContinuousClock.now < later ? nil : disk }
    let error = try await failure(
      [.hear, .answer(StepFailure(message: "input/output error"))], witness: witness)
    #expect(error?.cause.contains("the host could not write /w/target.qcow2") == true)
    #expect(error?.evidence == ["input/output error"])
  }

  @Test func aDiskErrorWithRoomOnTheHostBlamesNoRoom() {
    let fault = DiskFault(DiskError(path: "/w/a", device: "d", reason: ""), free: 1 << 30)
    #expect(fault.remedy == nil)
    #expect(fault.description.contains("1.0 GiB free"))
  }

  @Test func aDeadAgentFailsAtOnceWithTheGuestsLastLines() async throws {
    var witness = GuestWitness.nothing
    witness.lastLines = { ["bye"] }
    let error = try await failure([.hear], witness: witness)
    #expect(error?.cause == "the agent closed its channel")
    #expect(error?.evidence == ["bye"])
  }

  @Test func aDeadGuestIsNamedAsTheCause() async throws {
    var witness = GuestWitness.nothing
    witness.end = { _ in .panicked("Kernel panic - not syncing: no init") }
    let error = try await failure([.hear], witness: witness)
    #expect(error?.cause == "the guest's kernel panicked: Kernel panic - not syncing: no init")
  }

  @Test func silenceIsAFailure() async throws {
    let error = try await failure([.hear, .hang], silence: .seconds(1))
    #expect(error?.cause == "the agent sent nothing in 1 seconds")
  }

  @Test func heartbeatsBreakTheSilenceButNotTheLimit() async throws {
    let beat: [FakeAgent.Action] = [.say(.event(.heartbeat)), .pause(.milliseconds(300))]
    let beats = Array(repeatElement(beat, count: 8).joined())
    let (patient, _) = try await client([.hear] + beats + [.answer()])
    try await patient.perform(Self.step, silence: .seconds(2))

    let error = try await failure([.hear] + beats + [.hang], silence: .seconds(2), limit: .milliseconds(700))
    #expect(error?.cause == "it was not done within its limit of 0 seconds")
  }

  @Test("this side's limits are the cause, not what they do to the guest")
  func theFirstCauseWins() async throws {
    var witness = GuestWitness.nothing
    // A guest whose host hangs up powers off: known only to who waits for it.
    witness.end = { patience in patience == .zero ? nil : .shutDown }
    witness.lastLines = { ["console"] }
    let late = try await failure(
      [.hear, .say(.event(.log("almost"))), .hang], witness: witness, limit: .seconds(1))
    #expect(late?.cause == "it was not done within its limit of 1 seconds")
    #expect(late?.evidence == ["almost"])
    let silent = try await failure([.hear, .hang], witness: witness, silence: .seconds(1))
    #expect(silent?.cause == "the agent sent nothing in 1 seconds")
    #expect(silent?.evidence == ["console"])
    // A guest that had ended before is the cause.
    witness.end = { _ in .crashed }
    let crashed = try await failure([.hear, .hang], witness: witness, silence: .seconds(1))
    #expect(crashed?.cause == "QEMU ended by itself or was killed")
  }

  @Test func aGuestThatDiesInAStepLeavesTheStepsLastLines() async throws {
    var witness = GuestWitness.nothing
    witness.end = { _ in .shutDown }
    let error = try await failure([.hear, .say(.event(.log("reboot now")))], witness: witness)
    #expect(error?.evidence == ["reboot now"])
  }

  @Test("an agent that never reached its host has said why on the console")
  func theAgentsOwnWords() async throws {
    var witness = GuestWitness.nothing
    witness.end = { _ in .shutDown }
    witness.lastLines = {
      [
        "slipway-agent: cannot load the kernel module /m/virtio_console.ko: Exec format error",
        "[    2.1] slipway-agent: fatal: the machine has no virtio-serial port",
      ]
    }
    let error = await witness.error(attempt: "reach the agent", seen: "closed")
    #expect(
      error.cause
        == "the agent ended the guest: the machine has no virtio-serial port; before that it could not load the kernel "
        + "module /m/virtio_console.ko: Exec format error")
  }

  @Test func aRemedyOfTheAgentsIsShownEscaped() async throws {
    let error = try await failure([.hear, .answer(StepFailure(message: "full", remedy: "Give\u{7} more"))])
    #expect(error?.remedy == "Give\\u{7} more")
  }

  @Test func numbersOfTheGuestAreBounded() async throws {
    let (client, _) = try await client([
      .hear, .say(.event(.progress(done: .max, total: .max))), .say(.event(.progress(done: 5, total: 0))),
      .answer(),
    ])
    let events = Mutex<[Event]>([])
    try await client.perform(Self.step) { event in events.withLock { $0.append(event) } }
    #expect(
      events.withLock { $0 } == [.progress(done: 1 << 60, total: 1 << 60), .progress(done: 0, total: 0)])
  }

  @Test func manySmallMessagesAreAFloodToo() async throws {
    let agent = try FakeAgent(FakeAgent.greeting + [.hear, .flood(.event(.log("")))])
    let client = AgentClient(channel: AgentChannel(agent.host), witness: .nothing, messageLimit: 5000)
    try await client.shakeHands(build: "host", within: .seconds(10))
    let error = await #expect(throws: Fault.self) { try await client.perform(Self.step) }
    #expect(error?.cause == "the agent sent more than 5000 messages")
  }

  @Test(
    arguments: [
      [0, 0, 0, 3, 0x7B, 0x7B, 0x7B], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [0, 0, 0, 2, 0x7B, 0x7D],
      Array("login: ".utf8), [0, 0, 0, 8] + Array("{\"x\":[1".utf8) + [0],
    ] as [[UInt8]])
  func bytesThatAreNoMessageAreAFailure(bytes: [UInt8]) async throws {
    let error = try await failure([.hear, .bytes(bytes), .hang])
    #expect(error?.cause.hasPrefix("the agent broke the protocol: ") == true)
  }

  @Test func anAnswerToAnotherRequestIsAFailure() async throws {
    let error = try await failure([.hear, .say(.reply(id: 7)), .hang])
    #expect(error?.cause == "the agent answered request 7 instead of 1")
  }

  @Test func aSecondHelloIsAFailure() async throws {
    let error = try await failure([.hear, .say(.hello(build: "again")), .hang])
    #expect(error?.cause == "the agent started anew in the middle of a request")
  }

  @Test func aFloodIsStopped() async throws {
    let line = AgentMessage.event(.log(String(repeating: "x", count: 10_000)))
    let error = try await failure([.hear, .flood(line)], receiveLimit: 1 << 20)
    #expect(error?.cause == "the agent sent more than 1048576 bytes")
  }

  @Test func cancellationEndsAWaitAtOnce() async throws {
    let (client, _) = try await client([.hear, .hang])
    let task = Task { try await client.perform(Self.step, silence: .seconds(50), limit: .seconds(50)) }
    try await Task.sleep(for: .milliseconds(100))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func agentsOfOtherVersionsAreRefusedWithBothBuilds() async throws {
    let hello = AgentMessage.hello(oldestVersion: 98, version: 99, build: "agent-1")
    let agent = try FakeAgent([.hear, .say(hello), .hang])
    let client = AgentClient(channel: AgentChannel(agent.host), witness: .nothing)
    let error = await #expect(throws: Fault.self) {
      try await client.shakeHands(build: "host-1", within: .seconds(10))
    }
    #expect(error?.cause.contains("build agent-1") == true)
    #expect(error?.cause.contains("build host-1") == true)
    #expect(error?.remedy?.contains("appliance build") == true)
  }

  @Test(arguments: [AgentMessage.hello(magic: "other", build: "x"), .event(.heartbeat)])
  func somethingElseOnTheChannelIsRefused(message: AgentMessage) async throws {
    let agent = try FakeAgent([.hear, .say(message), .hang])
    let client = AgentClient(channel: AgentChannel(agent.host), witness: .nothing)
    let error = await #expect(throws: Fault.self) {
      try await client.shakeHands(build: "host", within: .seconds(10))
    }
    #expect(error?.cause == "what answers on the agent's channel is not a Slipway agent")
  }

  @Test func aSocketThatNeverComesIsAFailure() async throws {
    try await withScratchDirectory { folder in
      let error = await #expect(throws: Fault.self) {
        _ = try await AgentClient.channel(
          at: folder.appending("agent.sock"), within: .milliseconds(200), witness: .nothing)
      }
      #expect(error?.cause == "No such file or directory")
    }
  }

  @Test func aPathThatIsTooLongForASocketIsAFailure() async throws {
    let path = FilePath("/tmp/" + String(repeating: "x", count: 110))
    let error = #expect(throws: Errno.self) { _ = try UnixSocket.connect(to: path) }
    #expect(error == .fileNameTooLong)
  }
}

extension GuestWitness {
  /// A guest that runs and prints nothing.
  static let nothing = GuestWitness(end: { _ in nil }, diskFault: { nil }, lastLines: { [] })
}
