internal import ArgumentParser
internal import Basics
internal import BuildPlan
internal import ImageBuilder

/// `slipway reproduce`
struct ReproduceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reproduce",
    abstract: "Build an image again from its manifest, and compare.",
    discussion: """
      Builds into a temporary folder, with the tools of this machine. What differs is shown as by slipway diff, the folder \
      on the left. Exit codes: 0 the same bytes, 1 others, or the build failed.
      """)

  @Argument(help: ArgumentHelp("Output folder of a build.", valueName: "dir"), completion: .directory)
  var folder: String

  // Of scripts, a manifest has the digests alone.
  @OptionGroup(title: SpecGroup.hooks.title) var hooks: SpecFlags<SpecOptions.Hooks>
  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var applianceOptions: ApplianceOptions
  @OptionGroup var progressOptions: ProgressOptions
  @OptionGroup var options: DiffOptions

  func run() async throws {
    let request = ReproduceRequest(
      folder: folder, scripts: try SpecOptions.spec(of: hooks.given), machine: machineOptions.choice(),
      appliance: applianceOptions.choice())
    let progress = progressOptions.renderer()
    let reproduction = Reproduction(request, events: progress.show)
    let result = try await cancellingOnSignals { try await reproduction.run() }
    try progress.check()
    if result.isEmpty, progressOptions.showsSummary, !options.json {
      return try DataOutput.standard.write(lines: ["reproduced: the same bytes"])
    }
    try options.show(result)
  }
}
