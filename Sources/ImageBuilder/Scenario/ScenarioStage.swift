internal import Basics
internal import BuildMachine
internal import Guestfs
internal import SystemPackage

/// What a step works on: the copy, and what steps before it have left.
final class ScenarioStage {
  let setup: BootSetup
  let copy: ImageCopy
  let login: ConsoleLogin
  let mountPoints: MountPoints
  /// Files of partitions, by the names under which steps have remembered them.
  var remembered: [String: RememberedFiles] = [:]
  /// The boots of the step that runs.
  private(set) var boots: [ScenarioResult.Boot] = []

  private let keep: FilePath?
  private let recorder: StepRecorder
  /// The step that runs, and its place among all.
  private var step = BuildStep.bootImage
  private var index = 0

  /// How long a system may take to power off or reboot.
  private static let endPatience = Duration.seconds(120)
  /// What reports keep of a console, from its end.
  private static let keptConsole = 256 << 10
  /// More than a screen of a VM takes as a PNG.
  private static let largestScreenshot = 4 << 20

  init(
    setup: BootSetup, copy: ImageCopy, login: ConsoleLogin, mountPoints: MountPoints, keep: FilePath?,
    recorder: StepRecorder
  ) {
    (self.setup, self.copy, self.login, self.mountPoints) = (setup, copy, login, mountPoints)
    (self.keep, self.recorder) = (keep, recorder)
  }

  /// A new step begins.
  func begin(_ index: Int, _ step: BuildStep) {
    (self.index, self.step, boots) = (index, step, [])
  }

  // MARK: - Boots

  /// Boots the copy, and runs `body` with the machine as it is then. What the console showed is kept, whatever comes of it.
  ///
  /// - Parameters:
  ///   - text: a regular expression for what the console shows of a system that is up.
  ///   - instant: the end of the time until then.
  /// - Throws: `Fault` when there is no machine; `CancellationError`; what `body` throws.
  func boot<Result: Sendable>(
    expecting text: String, until instant: ContinuousClock.Instant,
    _ body: (Machine, ImageBoot.Outcome) async throws -> Result
  ) async throws -> Result {
    let boot = ImageBoot(
      setup: setup, copy: copy, expect: text, deadline: instant, recorder: recorder, step: step)
    return try await boot.run { machine, outcome in
      let picture = await screenshot(of: machine)
      let result: Swift.Result<Result, any Error>
      do {
        result = .success(try await body(machine, outcome))
      } catch {
        result = .failure(error)
      }
      try note(machine, picture)
      return try result.get()
    }
  }

  /// Boots what starts by itself, and runs `body` in a shell of it; the system powers off then.
  ///
  /// - Parameter timeLimit: seconds until the system has to be up, and for its end.
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  func inGuest<Result: Sendable>(
    timeLimit: Int, _ body: (ConsoleShell) async throws -> Result
  ) async throws -> Result {
    let deadline = try BootDeadline(seconds: timeLimit)
    return try await boot(expecting: VerifyRequest.loginPrompt, until: deadline.instant) { machine, outcome in
      _ = try judgement(expecting: VerifyRequest.loginPrompt, timeLimit, machine).token(of: outcome)
      return try await ConsoleShell.with(machine, as: login) { shell in
        let result = try await body(shell)
        try await end(machine, by: "poweroff", shell)
        return result
      }
    }
  }

  /// Has the guest end by itself.
  ///
  /// - Throws: `Fault` when it does not, or ends in another way; `CancellationError`.
  func end(_ machine: Machine, by command: String, _ shell: ConsoleShell) async throws {
    // The line stays connected: QEMU throws away what its serial port has not taken of a line that is hung up.
    try shell.type("\(command)\n")
    let end = try await withThrowingTaskGroup(of: MachineEnd?.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await machine.ended() }
      group.addTask {
        try await Task.sleep(for: Self.endPatience)
        return nil
      }
      return try await group.next() ?? nil
    }
    guard end == .shutDown else {
      throw Fault(
        .failed, "the system did not end after '\(command)'",
        cause: end.map { "\($0)" } ?? "it still runs after \(Self.endPatience.components.seconds) seconds",
        evidence: machine.console.lastLines)
    }
  }

  /// What has to come of a boot of the step's.
  func judgement(expecting text: String, _ timeLimit: Int, _ machine: Machine) -> BootJudgement {
    BootJudgement(
      expect: text, timeLimit: timeLimit, timeOption: "timeout", remedy: nil, machine: machine)
  }

  /// Has the boot loader start something at the next boot, for once.
  ///
  /// - Returns: the entry; nil for what starts by itself.
  /// - Throws: `Fault` where there is no such entry, or nothing starts it; `CancellationError`.
  func choose(_ choice: BootChoice) async throws -> BootEntryReport? {
    guard choice != .byItself else { return nil }
    let report = try await setup.report(of: copy)
    let entry = try choice.entry(in: report)
    let means = try BootMeans.make(for: entry, in: report, try await copy.store())
    try await setup.apply([(copy, means)])
    return entry
  }

  private func screenshot(of machine: Machine) async -> [UInt8]? {
    let file = setup.scratch.appending("screen.png")
    defer { try? HostFiles.remove(file) }
    // A machine that has ended has no screen.
    guard (try? await machine.screenshot(to: file)) != nil else { return nil }
    return try? WholeFile.read(file, limit: Self.largestScreenshot)
  }

  private func note(_ machine: Machine, _ picture: [UInt8]?) throws {
    let bytes = (try? WholeFile.read(machine.console.path)) ?? []
    let text = ConsoleText().plain(String(decoding: bytes.suffix(Self.keptConsole), as: UTF8.self))
    boots.append(.init(console: text, screenshot: picture))
    guard let keep else { return }
    let name = "step-\(index + 1)-boot-\(boots.count)"
    try HostFiles.write(bytes, to: keep.appending("\(name).log"))
    if let picture { try HostFiles.write(picture, to: keep.appending("\(name).png")) }
  }

  // MARK: - Files

  /// Reads a filesystem as it is now.
  ///
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  func reading<Value: Sendable>(
    _ partition: PartitionReference, _ body: @escaping @Sendable (any ReadableTree) throws -> Value
  ) async throws -> Value {
    try await setup.reading(partition, mountPoints, of: copy, body)
  }

  /// Changes a filesystem, which is mounted while `body` runs.
  ///
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  func editing<Value: Sendable>(
    _ partition: PartitionReference, _ body: @escaping @Sendable (Guestfs) throws -> Value
  ) async throws -> Value {
    let number = try await setup.number(of: partition, mountPoints, on: copy)
    return try await setup.edit([copy]) { guest in
      try guest.mounting(Guestfs.device(number, ofDisk: 0), options: "") { try body(guest) }
    }
  }

  /// The copy's variable store.
  ///
  /// - Throws: `Fault` for a machine with a BIOS.
  func variables() throws(Fault) -> VariableStoreFile {
    guard let file = copy.variables else {
      throw Fault(
        .badInput, "a BIOS has no EFI variables",
        remedy: "Leave the step out, or build an image that boots by EFI")
    }
    return VariableStoreFile(file.string)
  }
}
