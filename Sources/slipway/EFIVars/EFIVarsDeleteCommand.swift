internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars delete`
struct EFIVarsDeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Take a variable out of a store.")

  @OptionGroup var storeOptions: StoreOptions
  @OptionGroup var variable: VariableOptions

  func run() async throws {
    try await VariableStoreFile(storeOptions.store).edit(into: storeOptions.out) { store in
      let key = try VariableKey(variable.name, vendor: variable.vendor, in: store)
      guard store.delete(key) else {
        throw Fault(
          .badInput, "there is no variable \(printable(key.description))",
          remedy: "'slipway efivars show' lists what is there")
      }
    }
  }
}
