internal import Basics
internal import BuildMachine

/// `boot`: the copy boots, is asked what it is, and ends.
struct BootStep: ScenarioAction {
  static let key = "boot"
  static let help =
    "Boot the copy, and look at what has booted. What it chooses, it chooses for this boot alone."
  static let shape = ScenarioShape.object(
    BootFields.choice + [
      ScenarioField("expect", .regex, "What the console has to show. Default: a prompt for a user's name."),
      BootFields.timeout,
      ScenarioField("expectGeneration", .number(1...1_000_000), "Generation that has to have booted."),
      ScenarioField(
        "expectSpecialisation", .text, "Specialisation of expectGeneration that has to have booted."),
      ScenarioField("expectSystem", .system, "System that has to have booted."),
      ScenarioField("run", .oneOrMore(GuestCommand.shape), "Commands that run in the guest, in their order."),
      ScenarioField(
        "cutPowerAt", .moment,
        "Cut the power so many seconds after the start, or when the console shows a match."),
      ScenarioField("end", .choice(End.allCases.map(\.rawValue)), "How the boot ends. Default: powerOff."),
    ])

  /// How a boot ends.
  enum End: String, CaseIterable {
    /// The system is told to power off, and has to.
    case powerOff
    /// The system is told to reboot, and has to; the next step is its next boot.
    case reboot
    /// The power is cut at once.
    case cut
  }

  private let choice: BootChoice
  private let expect: String
  private let timeLimit: Int
  private let generation: Int?
  private let specialisation: String?
  private let system: String?
  private let commands: [GuestCommand]
  /// When the power is cut before anything is asked.
  private let cut: BootTrial.CutPoint?
  private let end: End

  init(_ value: YAMLValue) throws(ScenarioError) {
    choice = try BootFields.choice(value)
    expect = value["expect"]?.text ?? VerifyRequest.loginPrompt
    timeLimit = BootFields.timeLimit(value)
    generation = value["expectGeneration"]?.number
    specialisation = value["expectSpecialisation"]?.text
    system = value["expectSystem"]?.text
    var commands: [GuestCommand] = []
    for command in value["run"]?.items ?? [] { commands.append(try GuestCommand(command)) }
    self.commands = commands
    cut = value["cutPowerAt"].map { moment in moment.seconds.map { .seconds($0) } ?? .console(moment.text) }
    end = value["end"].flatMap { End(rawValue: $0.text) } ?? .powerOff
    if let line = value["expectSpecialisation"]?.line, generation == nil {
      throw ScenarioError(line, "expectSpecialisation is given without expectGeneration", remedy: "Add it")
    }
    let others = ["expect", "expectGeneration", "expectSystem", "run", "end"].compactMap { value[$0] }
    if cut != nil, let other = others.first {
      throw ScenarioError(
        other.line, "the power is cut by cutPowerAt before this is looked at",
        remedy: "Leave one of the two out")
    }
    guard let last = commands.lastIndex(where: { $0.cutAfter != nil }) else { return }
    guard last == commands.count - 1, commands.count(where: { $0.cutAfter != nil }) == 1, value["end"] == nil
    else {
      throw ScenarioError(
        value["run"]?.line ?? value.line,
        "the power is cut under a command, and something is to follow on it",
        remedy: "Make it the last command, and leave out end")
    }
  }

  var text: String { "boot \(choice.text)" + (cut == nil ? "" : " and cut the power") }

  func run(on stage: ScenarioStage) async throws -> String? {
    let deadline = try BootDeadline(seconds: timeLimit)
    let entry = try await stage.choose(choice)
    if let cut { return try await cutPower(at: cut, deadline, on: stage) }
    return try await stage.boot(expecting: expect, until: deadline.instant) { machine, outcome in
      let token = try stage.judgement(expecting: expect, timeLimit, machine).token(of: outcome)
      guard needsShell(entry) else { return token }
      try await ConsoleShell.with(machine, as: stage.login) { shell in
        try await check(entry, shell)
        for command in commands { try await command.run(shell) }
        if let command = endCommand { try await stage.end(machine, by: command, shell) }
      }
      return token
    }
  }

  private func needsShell(_ entry: BootEntryReport?) -> Bool {
    entry != nil || generation != nil || system != nil || !commands.isEmpty || endCommand != nil
  }

  /// What is typed in the end; nil where the power is cut.
  private var endCommand: String? {
    guard commands.last?.cutAfter == nil else { return nil }
    return switch end {
    case .powerOff: "poweroff"
    case .reboot: "reboot"
    case .cut: nil
    }
  }

  /// Asks the system what it is.
  private func check(_ entry: BootEntryReport?, _ shell: ConsoleShell) async throws {
    guard entry != nil || generation != nil || system != nil else { return }
    let booted = try await BootedSystem.ask(shell)
    func expect(_ isRight: Bool, _ difference: String) throws {
      guard !isRight else { return }
      throw Fault(.failed, "another system has booted: \(TerminalText.escaped(difference))")
    }
    if let entry, let difference = booted.difference(from: entry) { try expect(false, difference) }
    let found = booted.system ?? "a system that is not NixOS's"
    if let system { try expect(found == system, "\(found), and not \(system)") }
    if let generation {
      let link = SystemProfile.link(generation) + (specialisation.map { "/specialisation/\($0)" } ?? "")
      let wanted = try await shell.run("readlink -f \(ShellWord.quoted(link))").output
        .split(separator: "\n").first { $0.hasPrefix("/nix/store/") }.map(String.init)
      let name = "generation \(generation)" + (specialisation.map { ", specialisation \($0)" } ?? "")
      try expect(
        booted.system != nil && booted.system == wanted, "\(found), and \(name) is \(wanted ?? "not there")")
    }
  }

  /// A system that cannot get there has failed.
  private func cutPower(
    at point: BootTrial.CutPoint, _ deadline: BootDeadline, on stage: ScenarioStage
  ) async throws -> String {
    let end = point.end(deadline)
    return try await stage.boot(expecting: end.expect, until: end.instant) { machine, outcome in
      try stage.judgement(expecting: end.expect, timeLimit, machine).check(outcome, reached: point)
      return "the power was cut"
    }
  }
}
