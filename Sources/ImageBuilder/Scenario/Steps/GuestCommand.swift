internal import Basics

/// A command that a boot runs in the guest, and what has to come of it.
struct GuestCommand: Hashable, Sendable {
  static let shape = ScenarioShape.object(
    [
      ScenarioField("command", .text, isRequired: true, "A shell's command; it may have several lines."),
      ScenarioField("status", .number(0...255), "Its exit status. Default: 0."),
      ScenarioField("expect", .regex, "What its output has to show."),
      ScenarioField("timeout", .number(ScenarioShape.timeLimits), "Seconds that it may take. Default: 60."),
      ScenarioField(
        "cutAfter", .seconds(0...3600),
        "Cut the power so many seconds after it was typed; the last command only."),
    ], short: "command")

  let command: String
  let status: Int
  let expect: String?
  let timeLimit: Int
  /// Seconds until the power is cut; nil for a command that ends.
  let cutAfter: Double?

  init(_ value: YAMLValue) throws(ScenarioError) {
    command = try value.required("command").text
    status = value["status"]?.number ?? 0
    expect = value["expect"]?.text
    timeLimit = value["timeout"]?.number ?? 60
    cutAfter = value["cutAfter"]?.seconds
    if cutAfter != nil, let other = value["status"] ?? value["expect"] ?? value["timeout"] {
      throw ScenarioError(
        other.line, "nothing can be expected of a command that the power is cut under",
        remedy: "Leave out cutAfter, or this")
    }
  }

  /// Runs it.
  ///
  /// - Throws: `Fault` when something else comes of it; `CancellationError`.
  func run(_ shell: ConsoleShell) async throws {
    if let cutAfter {
      try shell.type("\(command)\n")
      return try await Task.sleep(for: .seconds(cutAfter))
    }
    let result = try await shell.run(command, within: .seconds(timeLimit))
    let lines = result.output.split(separator: "\n").suffix(20).map { TerminalText.escaped(String($0)) }
    guard result.status == status else {
      throw Fault(
        .failed, "a command in the guest ended with \(result.status), and not with \(status)", cause: shown,
        evidence: lines)
    }
    guard let expect else { return }
    guard try LineExpression(expect).isFound(in: result.output) else {
      throw Fault(
        .failed, "the output of a command in the guest does not show '\(expect)'", cause: shown,
        evidence: lines)
    }
  }

  private var shown: String { TerminalText.escaped(command.split(separator: "\n").joined(separator: "; ")) }
}
