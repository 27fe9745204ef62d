internal import ArgumentParser
internal import Basics
internal import BuildPlan
internal import ImageBuilder

/// `slipway plan`
struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a build would do, without starting a machine.")

  @OptionGroup var specOptions: SpecOptions
  @OptionGroup(title: SpecGroup.machine.title) var machineOptions: MachineOptions

  @Flag(help: "Print the whole plan as JSON.")
  var json = false

  func run() async throws {
    let request = BuildRequest(spec: try specOptions.spec(), machine: machineOptions.choice())
    let builder = ImageBuilder(request) { event in
      if case .warning(let text) = event { ProgressOutput.standardError.write(line: "warning: \(text)") }
    }
    let plan = try await cancellingOnSignals { try await builder.plan() }
    if json {
      try DataOutput.standard.write(json: plan.json())
    } else {
      try DataOutput.standard.write(text: try PlanText.text(plan))
    }
  }
}
