internal import ArgumentParser
internal import Basics
internal import Command
internal import ImageBuilder

/// `slipway doctor`
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check what this machine has, and say how to get what is missing.")

  @OptionGroup var machineOptions: MachineOptions

  @Flag(help: "Print the report as JSON.")
  var json = false

  /// For `scripts/deb`: the one list of programs is in Swift.
  @Flag(help: .hidden)
  var debianPackages = false

  func run() async throws {
    if debianPackages {
      let packages = Set(ExternalTool.all.map(\.debianPackage)).sorted()
      return try DataOutput.standard.write(text: packages.joined(separator: "\n"))
    }
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
