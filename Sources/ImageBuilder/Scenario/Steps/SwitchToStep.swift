internal import Basics

/// `switchTo`: in the guest, a system becomes the next generation, as by `nixos-rebuild boot`.
struct SwitchToStep: ScenarioAction {
  static let key = "switchTo"
  static let help =
    "Boot the copy, make a system of the image the next generation there, and run its switch-to-configuration boot."
  static let shape = ScenarioShape.object(
    [
      ScenarioField(
        "system", .system, isRequired: true, "The system; the image needs its store paths (additionalPaths)."),
      ScenarioField(
        "installBootLoader", .flag,
        "Install the boot loader itself, too, as nixos-rebuild --install-bootloader does."),
      ScenarioField("mustFail", .regex, "It must fail, and its output show a match."),
      BootFields.timeout,
    ], short: "system")

  private let system: String
  private let installsBootLoader: Bool
  private let mustFail: String?
  private let timeLimit: Int

  init(_ value: YAMLValue) throws(ScenarioError) {
    system = try value.required("system").text
    installsBootLoader = value["installBootLoader"]?.isTrue ?? false
    mustFail = value["mustFail"]?.text
    timeLimit = BootFields.timeLimit(value)
  }

  var text: String { mustFail == nil ? "switch to \(system)" : "switching to \(system) must fail" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let system = ShellWord.quoted(system)
    let profile = SystemProfile.path
    return try await stage.inGuest(timeLimit: timeLimit) { shell in
      let set = try await shell.run(
        """
        test -e \(system)/bin/switch-to-configuration || { echo 'the image has no such system'; exit 1; }
        number=$(ls -d \(profile)-*-link | sed 's/.*-\\([0-9]*\\)-link$/\\1/' | sort -n | tail -n 1)
        number=$((number + 1))
        ln -s \(system) \(profile)-$number-link && ln -sfn system-$number-link \(profile) && echo generation $number
        """, within: .seconds(timeLimit))
      guard set.status == 0 else { throw failure("could not make \(self.system) the next generation", set) }
      let switched = try await shell.run(
        "\(installsBootLoader ? "NIXOS_INSTALL_BOOTLOADER=1 " : "")\(system)/bin/switch-to-configuration boot",
        within: .seconds(timeLimit))
      guard let mustFail else {
        guard switched.status == 0 else { throw failure("switch-to-configuration boot failed", switched) }
        return set.output.split(separator: "\n").last.map { TerminalText.escaped(String($0)) }
      }
      guard switched.status != 0 else { throw failure("switch-to-configuration boot did not fail", switched) }
      guard try LineExpression(mustFail).isFound(in: switched.output) else {
        throw failure(
          "switch-to-configuration boot failed, and its output does not show '\(mustFail)'", switched)
      }
      return "failed with \(switched.status), as it has to"
    }
  }

  private func failure(_ message: String, _ result: ConsoleShell.Result) -> Fault {
    Fault(
      .failed, "\(message) (exit status \(result.status))",
      evidence: result.output.split(separator: "\n").suffix(20).map { TerminalText.escaped(String($0)) })
  }
}
