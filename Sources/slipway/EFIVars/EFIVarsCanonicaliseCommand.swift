internal import ArgumentParser
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars canonicalise`
struct EFIVarsCanonicaliseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "canonicalise",
    abstract: "Write a store in its canonical form: equal variables make equal bytes.")

  @OptionGroup var storeOptions: StoreOptions

  @Flag(help: "Leave out what the firmware makes again at its next boot.")
  var stripFirmwareVariables = false

  func run() async throws {
    try await VariableStoreFile(storeOptions.store).edit(into: storeOptions.out) { store in
      store = (stripFirmwareVariables ? store.withoutFirmwareVariables() : store).canonical()
    }
  }
}
