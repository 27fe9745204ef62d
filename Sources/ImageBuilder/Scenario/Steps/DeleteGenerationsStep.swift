internal import Basics

/// `deleteGenerations`: in the guest, generations go, as by `nix-env --delete-generations`, and the current one installs its
/// boot loader again.
struct DeleteGenerationsStep: ScenarioAction {
  static let key = "deleteGenerations"
  static let help =
    "Boot the copy, remove generations of its profile, and run the current one's switch-to-configuration boot."
  static let shape = ScenarioShape.object(
    [
      ScenarioField(
        "numbers", .oneOrMore(.number(1...1_000_000)), isRequired: true, "Numbers of the generations."),
      BootFields.timeout,
    ], short: "numbers")

  private let numbers: [Int]
  private let timeLimit: Int

  init(_ value: YAMLValue) throws(ScenarioError) {
    numbers = try value.required("numbers").items.compactMap(\.number)
    timeLimit = BootFields.timeLimit(value)
  }

  var text: String { "delete generations \(numbers.map(String.init).joined(separator: ", "))" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let profile = SystemProfile.path
    let links = numbers.map(SystemProfile.link).joined(separator: " ")
    let result = try await stage.inGuest(timeLimit: timeLimit) { shell in
      try await shell.run(
        """
        for link in \(links); do
          test -L $link || { echo "there is no $link"; exit 1; }
          test "$(readlink \(profile))" != "${link##*/}" || { echo "the profile is at $link"; exit 1; }
        done
        rm \(links) && \(profile)/bin/switch-to-configuration boot
        """, within: .seconds(timeLimit))
    }
    guard result.status == 0 else {
      throw Fault(
        .failed, "could not delete generations (exit status \(result.status))",
        evidence: result.output.split(separator: "\n").suffix(20).map { TerminalText.escaped(String($0)) })
    }
    return nil
  }
}
