internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars get`
struct EFIVarsGetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Print the value of a variable.")

  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @OptionGroup var variable: VariableOptions

  @Flag(help: "Print the bytes as they are stored.")
  var raw = false

  @Option(name: .shortAndLong, help: ArgumentHelp("File to write the bytes to.", valueName: "file"))
  var out: String?

  func run() async throws {
    let store = try await VariableStoreFile(store).read()
    let key = try VariableKey(variable.name, vendor: variable.vendor, in: store)
    guard let found = store[key] else {
      throw Fault(
        .badInput, "there is no variable \(printable(key.description))",
        remedy: "'slipway efivars show' lists what is there")
    }
    if let out {
      try VariableStoreFile.write(found.data, to: out)
    } else if raw {
      try DataOutput.standard.write(bytes: found.data)
    } else {
      try DataOutput.standard.write(lines: [found.text])
    }
  }
}
