internal import ArgumentParser
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars new`
struct EFIVarsNewCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new",
    abstract: "Make a store with no variables, of the layout of another.")

  @Option(
    help: ArgumentHelp("Store to take the layout from, such as the firmware's template.", valueName: "store"))
  var from: String

  @Option(name: .shortAndLong, help: ArgumentHelp("File to make.", valueName: "file"))
  var out: String

  func run() async throws {
    try await VariableStoreFile(from).edit(into: out) { $0 = VariableStore(emptyLike: $0) }
  }
}
