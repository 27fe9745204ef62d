internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder
internal import ImageModel

/// `slipway efivars set`
struct EFIVarsSetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Give a variable a value.",
    discussion: """
      Values: numbers of entries, as in --data 0001,0000 for BootOrder; text; on or off; device paths in the text form \
      of the UEFI specification. Boot#### and its like are given by --description and --path. A variable that is there \
      keeps its attributes.
      """)

  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @Argument(help: ArgumentHelp("Variable; with its vendor after a dash, or alone.", valueName: "name[-guid]"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "Vendor of the variable. (default: the store's, or the specification's)", valueName: "guid"))
  var vendor: GUID?

  @Option(help: ArgumentHelp("The value, as 'get' prints it.", valueName: "text"))
  var data: String?

  @Option(help: ArgumentHelp("The value's bytes.", valueName: "digits"))
  var hex: String?

  @Option(help: ArgumentHelp("File with the value's bytes.", valueName: "file"))
  var file: String?

  @Option(help: ArgumentHelp("What a boot menu shows of a load option.", valueName: "text"))
  var description: String?

  @Option(help: ArgumentHelp("Device path of a load option; may be given again.", valueName: "path"))
  var path: [String] = []

  @Flag(help: "The load option is not active.")
  var inactive = false

  @Option(help: ArgumentHelp("What a load option hands to its program, in hexadecimal.", valueName: "digits"))
  var optionalData: String?

  @Option(
    help: ArgumentHelp(
      "Attributes, as a number. [7: non-volatile, at boot time and run time]", valueName: "n"))
  var attributes: UInt32?

  @Option(help: ArgumentHelp("Set all variables of this JSON file, without a name.", valueName: "file"))
  var json: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File to make, instead of replacing the store.", valueName: "file"))
  var out: String?

  func run() async throws {
    let file = VariableStoreFile(store)
    if let json {
      guard name == nil, try choices().isEmpty else { throw Self.oneValue }
      let count = try await file.set(json: json, into: out)
      try DataOutput.standard.write(lines: ["\(count) variables set"])
      return
    }
    guard let name, let choice = try choices().first, try choices().count == 1 else { throw Self.oneValue }
    try await file.set(choice, attributes: attributes.map { VariableAttributes(rawValue: $0) }, into: out) {
      try VariableKey(name, vendor: vendor, in: $0)
    }
  }

  private static let oneValue = Fault(
    .badInput, "there is no value, or more than one",
    remedy:
      "Give a variable's name and one of --data, --hex, --file, --description with --path; or --json alone")

  private func choices() throws -> [ValueChoice] {
    var choices = [data.map { ValueChoice.text($0) }, hex.map { .hexadecimal($0) }, file.map { .file($0) }]
      .compactMap(\.self)
    if let description {
      guard !path.isEmpty else { throw Self.oneValue }
      choices.append(
        .loadOption(description: description, paths: path, isActive: !inactive, data: optionalData))
    } else if !path.isEmpty || inactive || optionalData != nil {
      throw Self.oneValue
    }
    return choices
  }
}
