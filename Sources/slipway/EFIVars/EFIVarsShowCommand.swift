internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import FoundationEssentials
internal import ImageBuilder
internal import ImageModel

/// `slipway efivars show`
struct EFIVarsShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "List the variables of a store, with their values.")

  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @Flag(help: "Print the JSON that 'virt-fw-vars --set-json' and 'slipway efivars set --json' read.")
  var json = false

  func run() async throws {
    let store = try await VariableStoreFile(store).read()
    let variables = store.variables.sorted { $0.key < $1.key }
    if json {
      let json = String(decoding: try VariablesJSON.encode(variables), as: UTF8.self)
      try DataOutput.standard.write(json: json)
    } else {
      try DataOutput.standard.write(lines: Self.table(variables))
    }
  }

  private static func table(_ variables: [Variable]) -> [String] {
    let rows = variables.map { variable in
      let (key, attributes) = (variable.key, variable.attributes)
      return [
        printable(key.name.description), key.vendor.description, "\(attributes)", "\(variable.data.count)",
        variable.text,
      ]
    }
    return TextTable.lines([["NAME", "VENDOR", "ATTRIBUTES", "BYTES", "VALUE"]] + rows)
  }
}

/// Columns, as wide as they need to be; the last one ends where it ends.
enum TextTable {
  static func lines(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count)
      }
      return (cells.dropLast() + [row[count - 1]]).joined(separator: "  ")
    }
  }
}
