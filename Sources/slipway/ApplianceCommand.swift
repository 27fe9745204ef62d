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
    @OptionGroup var machineOptions: MachineOptions
    @OptionGroup var progressOptions: ProgressOptions

    @Flag(help: "Also save a machine that has booted it, for builds with the defaults to start from.")
    var warm = false

    func run() async throws {
      let choice = applianceOptions.choice()
      let machine = machineOptions.choice()
      let progress = progressOptions.renderer()
      let folder = try await cancellingOnSignals {
        if warm { try await choice.saveMachine(on: machine, events: progress.show) }
        return try await choice.build(events: progress.show)
      }
      try DataOutput.standard.write(lines: [folder])
      try progress.check()
    }
  }
}
