internal import ArgumentParser
internal import Basics
internal import ImageBuilder

/// `slipway appliance`
struct ApplianceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "appliance",
    abstract: "The kernel and initramfs that carry the agent.",
    subcommands: [Build.self])

  /// `slipway appliance build`
  struct Build: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "build", abstract: "Build the appliance now, unless a build of the same parts is cached.")

    @OptionGroup var applianceOptions: ApplianceOptions
    @OptionGroup var progressOptions: ProgressOptions

    func run() async throws {
      let choice = applianceOptions.choice()
      let progress = progressOptions.renderer()
      let folder = try await cancellingOnSignals { try await choice.build(events: progress.show) }
      try DataOutput.standard.write(lines: [folder])
      try progress.check()
    }
  }
}
