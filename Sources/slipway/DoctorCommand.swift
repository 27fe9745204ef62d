internal import ArgumentParser
internal import Basics
internal import ImageBuilder

/// `slipway doctor`
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check what this machine has, and say how to get what is missing.")

  @OptionGroup var machineOptions: MachineOptions

  @Flag(help: "Print the report as JSON.")
  var json = false

  func run() async throws {
    let choice = machineOptions.choice()
    let report = try await cancellingOnSignals { try await Doctor.examine(choice) }
    if json {
      try DataOutput.standard.write(json: report.json())
    } else {
      try DataOutput.standard.write(text: report.text)
    }
    guard report.isAble else {
      throw Fault(.hostNotAble, "this machine cannot build images yet", remedy: "See the lines above")
    }
  }
}
