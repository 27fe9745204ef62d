internal import Basics
internal import BuildMachine

/// `mustNotBoot`: the copy does not come up, for a known reason.
struct MustNotBootStep: ScenarioAction {
  static let key = "mustNotBoot"
  static let help = "Boot the copy, which must not come up, and for the reason that is given."
  static let shape = ScenarioShape.object(
    BootFields.choice + [
      ScenarioField(
        "because", .regex, isRequired: true,
        "What has to match why it does not come up, or what was said on the way of what did not start."),
      BootFields.timeout,
    ], short: "because")

  private let choice: BootChoice
  private let because: String
  private let timeLimit: Int

  init(_ value: YAMLValue) throws(ScenarioError) {
    choice = try BootFields.choice(value)
    because = try value.required("because").text
    timeLimit = BootFields.timeLimit(value)
  }

  var text: String { "\(choice.text) must not boot" }

  func run(on stage: ScenarioStage) async throws -> String? {
    _ = try await stage.choose(choice)
    let deadline = try BootDeadline(seconds: timeLimit)
    let prompt = VerifyRequest.loginPrompt
    return try await stage.boot(expecting: prompt, until: deadline.instant) { machine, outcome in
      let reason = try stage.judgement(expecting: prompt, timeLimit, machine).reason(of: outcome)
      let expression = try LineExpression(because)
      guard ([reason] + outcome.complaints).contains(where: expression.isFound) else {
        throw Fault(
          .failed, "it does not boot, and for another reason than '\(because)': \(reason)",
          evidence: outcome.complaints + machine.console.lastLines)
      }
      return reason
    }
  }
}
