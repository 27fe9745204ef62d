internal import ArgumentParser
internal import Basics
internal import ImageBuilder

/// `slipway test`
struct TestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Run a scenario: boots, switches and faults on one copy of an image, step by step.",
    discussion: """
      A scenario is a YAML file whose steps are done in their order on one throw-away copy of an image and its EFI \
      variables. A step that is not as it has to be ends it. 'slipway schema --scenario' prints the JSON Schema.
      """)

  @Argument(
    help: ArgumentHelp("The scenario; - for standard input.", valueName: "scenario.yaml"),
    completion: .file(extensions: ["yaml", "yml"]))
  var file: String

  @Option(
    help: ArgumentHelp(
      "Store path of the system that the scenario calls $NAME; may be given again.", valueName: "name=path"))
  var system: [String] = []

  @Option(
    help: ArgumentHelp("Write a JUnit report, which CI systems read.", valueName: "file.xml"),
    completion: .file(extensions: ["xml"]))
  var junit: String?

  @Option(
    help: ArgumentHelp(
      "Write a page with steps, consoles and screens, which needs no other file.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var html: String?

  @Option(
    help: ArgumentHelp("Keep the console and a picture of the screen of each boot here.", valueName: "dir"),
    completion: .directory)
  var keep: String?

  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var progressOptions: ProgressOptions

  func run() async throws {
    let bytes = try InputFile.read(file, "the scenario", limit: InputFile.textLimit)
    let scenario = try Scenario(yaml: bytes, file: file, systems: try systems())
    let progress = progressOptions.renderer()
    let run = ScenarioRun(scenario, machine: machineOptions.choice(), keep: keep, events: progress.show)
    let result = try await cancellingOnSignals { try await run.run() }
    try progress.check()
    if let junit { try OutputFile.write(ScenarioReport.junit(result), to: junit) }
    if let html { try OutputFile.write(ScenarioReport.html(result), to: html) }
    if let failure = result.failure { throw failure }
    if progressOptions.showsSummary {
      try DataOutput.standard.write(lines: ["passed: \(result.steps.count) steps of \(result.name)"])
    }
  }

  /// - Throws: `Fault` for what is no pair, and for a name that is given twice.
  private func systems() throws(Fault) -> [String: String] {
    var systems: [String: String] = [:]
    for pair in system {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, parts[1].hasPrefix("/") else {
        throw Fault(.badInput, "'\(pair)' is no system", remedy: "Give --system NAME=/nix/store/…")
      }
      guard systems.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw Fault(.badInput, "the system \(parts[0]) is given twice", remedy: "Leave one of the two out")
      }
    }
    return systems
  }
}
