internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars diff`
struct EFIVarsDiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two stores, variable by variable.",
    discussion: "Exit codes as those of diff: 0 equal, 1 different, 2 one of them cannot be read.")

  @Argument(help: ArgumentHelp("The one store.", valueName: "a"))
  var first: String

  @Argument(help: ArgumentHelp("The other.", valueName: "b"))
  var second: String

  func run() async throws {
    let difference = StoreDifference(
      from: try await VariableStoreFile(first).read(), to: try await VariableStoreFile(second).read())
    try DataOutput.standard.write(lines: difference.lines)
    if !difference.isEmpty { throw ExitCode.failure }
  }
}
