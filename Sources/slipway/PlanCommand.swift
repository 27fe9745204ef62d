internal import ArgumentParser
internal import BuildPlan
internal import Foundation
internal import ImageBuilder

/// `slipway plan`
struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a build would do, without starting a machine.")

  @OptionGroup var specOptions: SpecOptions
  @OptionGroup var machineOptions: MachineOptions

  @Flag(help: "Print the whole plan as JSON.")
  var json = false

  func run() async throws {
    let request = BuildRequest(spec: try specOptions.spec(), machine: machineOptions.choice())
    let plan = try await ImageBuilder(request, events: { _ in }).plan()
    print(json ? try plan.json() : PlanText.text(plan), terminator: "")
  }
}
