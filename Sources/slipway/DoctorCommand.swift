internal import ArgumentParser
internal import Foundation
internal import ImageBuilder

/// `slipway doctor`
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check what this machine has, and say how to get what is missing.")

  @OptionGroup var machineOptions: MachineOptions

  @Flag(help: "Print the report as JSON.")
  var json = false

  func run() async throws {
    let report = try await Doctor.examine(machineOptions.choice())
    print(json ? try report.json() : report.text, terminator: "")
    guard report.isAble else {
      throw BuildError(.hostNotAble, "this machine cannot build images yet", remedy: "See the lines above")
    }
  }
}
