internal import Basics
internal import BuildMachine
internal import EFIVariables
internal import Foundation
internal import SystemPackage

/// One boot of a verification, and what follows on it.
struct BootTrialRun {
  let setup: BootSetup
  var copy: ImageCopy
  /// What is started; nil for what starts by itself.
  let entry: BootEntryReport?
  let request: VerifyRequest
  let step: BuildStep
  let recorder: StepRecorder
  /// Where a picture of the screen goes.
  let screenshot: FilePath?
  let deadline: BootDeadline

  /// Does it.
  ///
  /// - Throws: `Fault` when something is not as it has to be; `CancellationError`.
  func run() async throws -> BootResult {
    let before = try await copy.store()
    var result = BootResult(entry: entry.map(BootResult.Entry.init))
    switch request.trial {
    case .comesUp: try await comeUp(&result)
    case .doesNotComeUp: try await stayDown(&result)
    case .reboots:
      try await comeUp(&result, then: reboot)
      try await comeUpAgain(&result)
    case .losesPower(let point):
      try await cutPower(at: point, &result)
      try await comeUpAgain(&result)
    }
    if request.trial != .comesUp, let before, let after = try await copy.store() {
      result.variableChanges = StoreDifference(from: before, to: after).lines
    }
    return result
  }

  /// What a step says of it.
  func detail(_ result: BootResult) -> String? {
    let name = entry.map { TerminalText.escaped($0.title) }
    let parts = [
      name, result.token?.trimmingCharacters(in: .whitespaces),
      setup.artefacts.efi?.enforcesSecureBoot == true ? "Secure Boot on" : nil,
    ]
    return parts.compactMap(\.self).joined(separator: ", ")
  }

  private func boot<Result: Sendable>(
    expecting text: String? = nil, until instant: ContinuousClock.Instant? = nil,
    _ body: (Machine, ImageBoot.Outcome) async throws -> Result
  ) async throws -> Result {
    try await ImageBoot(
      setup: setup, copy: copy, expect: text ?? request.expect, deadline: instant ?? deadline.instant,
      recorder: recorder, step: step
    ).run(body)
  }

  /// Waits for a system that comes up, and for what has booted where that was chosen.
  private func comeUp(_ result: inout BootResult, then end: ((Machine) async throws -> Void)? = nil)
    async throws
  {
    let first = result
    result = try await boot { machine, outcome in
      var result = first
      result.complaints = outcome.complaints
      result.seconds = outcome.seconds
      if let screenshot { try? await machine.screenshot(to: screenshot) }
      result.token = try judgement(machine).token(of: outcome)
      result.isUp = true
      if let entry { result.booted = try await proof(of: entry, machine) }
      try await end?(machine)
      return result
    }
  }

  /// A second boot of the copy, of what starts by itself.
  private func comeUpAgain(_ result: inout BootResult) async throws {
    let again = BootTrialRun(
      setup: setup, copy: copy, entry: nil, request: request, step: step, recorder: recorder,
      screenshot: screenshot,
      deadline: try BootDeadline(seconds: request.timeLimit))
    var second = BootResult()
    try await again.comeUp(&second)
    result.secondBootSeconds = second.seconds
    (result.token, result.isUp) = (second.token, second.isUp)
    result.complaints += second.complaints.filter { !result.complaints.contains($0) }
  }

  private func stayDown(_ result: inout BootResult) async throws {
    let first = result
    result = try await boot { machine, outcome in
      var result = first
      result.complaints = outcome.complaints
      result.seconds = outcome.seconds
      if let screenshot { try? await machine.screenshot(to: screenshot) }
      result.token = try judgement(machine).reason(of: outcome)
      return result
    }
  }

  /// Cuts the power where it is to be cut. A system that cannot get there has failed.
  private func cutPower(at point: BootTrial.CutPoint, _ result: inout BootResult) async throws {
    let end = point.end(deadline)
    let first = result
    result = try await boot(expecting: end.expect, until: end.instant) { machine, outcome in
      var result = first
      result.seconds = outcome.seconds
      result.complaints = outcome.complaints
      try judgement(machine, expecting: end.expect).check(outcome, reached: point)
      return result
    }
  }

  /// Has the system reboot by itself.
  private func reboot(_ machine: Machine) async throws {
    // The line stays connected: QEMU throws away what its serial port has not taken of a line that is hung up.
    let end = try await ConsoleShell.with(machine, as: request.login) { shell in
      try shell.type("reboot\n")
      return try await deadline.during { try await machine.ended() }
    }
    guard end == .shutDown else {
      throw judgement(machine).fault("the system did not reboot: \(end)", nil)
    }
  }

  private func proof(of entry: BootEntryReport, _ machine: Machine) async throws -> BootedSystem {
    let booted = try await ConsoleShell.with(machine, as: request.login) { try await BootedSystem.ask($0) }
    guard let difference = booted.difference(from: entry) else { return booted }
    throw judgement(machine).fault(
      "another system has booted: \(TerminalText.escaped(difference))",
      "Look at the entries with 'slipway inspect'")
  }

  private func judgement(_ machine: Machine, expecting text: String? = nil) -> BootJudgement {
    BootJudgement(
      expect: text ?? request.expect, timeLimit: request.timeLimit, timeOption: "--timeout",
      remedy: "Look at its screen with --screenshot, or boot it by hand", machine: machine)
  }
}
