internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars boot-next`
struct EFIVarsBootNextCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boot-next", abstract: "Make the firmware start an entry once, at its next boot.")

  @OptionGroup var storeOptions: StoreOptions

  @Argument(help: ArgumentHelp("Number of the entry, such as 0001, or its description.", valueName: "entry"))
  var entry: String

  func run() async throws {
    let number = try await VariableStoreFile(storeOptions.store).edit(into: storeOptions.out) {
      try $0.bootNext(entry)
    }
    try DataOutput.standard.write(lines: ["BootNext  \(VariableKey.fourDigits(number))"])
  }
}
