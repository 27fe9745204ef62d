internal import ArgumentParser
internal import Basics
internal import BuildPlan
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

    @Flag(help: "Also save a machine that has booted it, for builds with such a VM to start from.")
    var warm = false

    @OptionGroup(title: SpecGroup.machine.title) var machineOptions: MachineOptions
    @OptionGroup(title: SpecGroup.machine.title) var machine: SpecFlags<SpecOptions.Machine>
    @OptionGroup(title: SpecGroup.firmware.title) var firmware: SpecFlags<SpecOptions.Firmware>

    func run() async throws {
      let choice = applianceOptions.choice()
      let spec = try SpecOptions.spec(of: machine.given + firmware.given)
      let machine = machineOptions.choice()
      let progress = progressOptions.renderer()
      let folder = try await cancellingOnSignals {
        if warm { try await choice.saveMachine(for: spec, on: machine, events: progress.show) }
        return try await choice.build(events: progress.show)
      }
      try DataOutput.standard.write(lines: [folder])
      try progress.check()
    }
  }
}
