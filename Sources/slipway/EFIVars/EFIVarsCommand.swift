internal import ArgumentParser
internal import ImageModel

/// `slipway efivars`
struct EFIVarsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "efivars",
    abstract: "Read, check, edit and compare EFI variable stores.",
    discussion: """
      A store that is damaged is refused, with the byte at which it is wrong. What edits a store replaces it in one \
      step, or writes a new file with --out, and refuses one that a running machine uses. Stores may be raw or in qcow2; \
      what is written has the format of what was read.
      """,
    subcommands: [
      EFIVarsShowCommand.self, EFIVarsGetCommand.self, EFIVarsSetCommand.self, EFIVarsDeleteCommand.self,
      EFIVarsDiffCommand.self, EFIVarsCheckCommand.self, EFIVarsCanonicaliseCommand.self,
      EFIVarsBootNextCommand.self, EFIVarsEnrollCommand.self, EFIVarsNewCommand.self,
      EFIVarsExportCommand.self, EFIVarsImportCommand.self,
    ])
}

/// The store, and where an edit of it goes.
struct StoreOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File to make, instead of replacing the store.", valueName: "file"))
  var out: String?
}

/// One variable.
struct VariableOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Variable; with its vendor after a dash, or alone.", valueName: "name[-guid]"))
  var name: String

  @Option(
    help: ArgumentHelp(
      "Vendor of the variable. (default: the store's, or the specification's)", valueName: "guid"))
  var vendor: GUID?
}
