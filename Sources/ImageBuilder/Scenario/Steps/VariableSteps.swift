internal import Basics
internal import EFIVariables
internal import ImageModel

/// `setVariable`: a variable of the copy's store gets a value, as by `slipway efivars set`.
struct SetVariableStep: ScenarioAction {
  static let key = "setVariable"
  static let help = "Give an EFI variable of the copy a value."
  static let shape = ScenarioShape.object([
    ScenarioField("name", .text, isRequired: true, "The variable; with its vendor after a dash, or alone."),
    ScenarioField("value", .text, "The value, as 'slipway efivars get' prints it."),
    ScenarioField("hex", .text, "The value's bytes, in hexadecimal."),
    ScenarioField("description", .text, "What a boot menu shows of a load option, with path."),
    ScenarioField("path", .oneOrMore(.text), "Device paths of a load option."),
    ScenarioField("inactive", .flag, "The load option is not active."),
    ScenarioField("attributes", .number(0...255), "The attributes. Default: what it has, or what is usual."),
  ])

  private let name: String
  private let choice: ValueChoice
  private let attributes: VariableAttributes?

  init(_ value: YAMLValue) throws(ScenarioError) {
    name = try value.required("name").text
    attributes = value["attributes"]?.number.map { VariableAttributes(rawValue: UInt32($0)) }
    var choices: [ValueChoice] = []
    if let text = value["value"] { choices.append(.text(text.text)) }
    if let digits = value["hex"] { choices.append(.hexadecimal(digits.text)) }
    if let description = value["description"] {
      choices.append(
        .loadOption(
          description: description.text, paths: value["path"]?.texts ?? [],
          isActive: !(value["inactive"]?.isTrue ?? false), data: nil))
    }
    let hasPath = value["path"] != nil
    guard let choice = choices.first, choices.count == 1, hasPath == (value["description"] != nil),
      hasPath || value["inactive"] == nil
    else {
      throw ScenarioError(
        value.line, "there is no value, or more than one",
        remedy: "Give one of value, hex, and description with path")
    }
    self.choice = choice
  }

  var text: String { "set \(name)" }

  func run(on stage: ScenarioStage) async throws -> String? {
    try await stage.variables().set(choice, attributes: attributes, into: nil) {
      try VariableKey(name, vendor: nil, in: $0)
    }
    return nil
  }
}

/// `deleteVariable`: a variable of the copy's store goes.
struct DeleteVariableStep: ScenarioAction {
  static let key = "deleteVariable"
  static let help = "Delete an EFI variable of the copy, which has to be there."
  static let shape = ScenarioShape.text

  private let name: String

  init(_ value: YAMLValue) throws(ScenarioError) {
    name = value.text
  }

  var text: String { "delete \(name)" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let isDeleted = try await stage.variables().edit(into: nil) { store in
      store.delete(try VariableKey(name, vendor: nil, in: store))
    }
    guard isDeleted else { throw Fault(.failed, "there is no variable \(printable(name))") }
    return nil
  }
}

/// `bootNext`: the firmware starts an entry of its own at the next boot.
struct BootNextStep: ScenarioAction {
  static let key = "bootNext"
  static let help =
    "Make the firmware start an entry of its own at the next boot: a number such as 0001, or a description."
  static let shape = ScenarioShape.text

  private let entry: String

  init(_ value: YAMLValue) throws(ScenarioError) {
    entry = value.text
  }

  var text: String { "boot \(entry) next" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let number = try await stage.variables().edit(into: nil) { try $0.bootNext(entry) }
    return "BootNext \(VariableKey.fourDigits(number))"
  }
}

/// `variables`: the copy's store has variables, and has not others.
struct VariablesStep: ScenarioAction {
  static let key = "variables"
  static let help = "Look at the EFI variables that the copy keeps without power."
  static let shape = ScenarioShape.object([
    ScenarioField("present", .oneOrMore(.text), "Variables that have to be there."),
    ScenarioField("absent", .oneOrMore(.text), "Variables that must not be there."),
    ScenarioField(
      "values", .map(.regex),
      "Variables whose value, as 'slipway efivars get' prints it, has to show a match."),
  ])

  private let present: [String]
  private let absent: [String]
  private let values: [(name: String, expression: String)]

  init(_ value: YAMLValue) throws(ScenarioError) {
    present = value["present"]?.texts ?? []
    absent = value["absent"]?.texts ?? []
    values = value["values"]?.entries.map { ($0.key, $0.value.text) } ?? []
    guard !present.isEmpty || !absent.isEmpty || !values.isEmpty else {
      throw ScenarioError(value.line, "nothing is looked at", remedy: "Give present, absent or values")
    }
  }

  var text: String {
    "look at the EFI variables \((present + absent + values.map(\.name)).joined(separator: ", "))"
  }

  func run(on stage: ScenarioStage) async throws -> String? {
    let store = try await stage.variables().read()
    for name in present where try variable(name, in: store) == nil {
      throw Fault(.failed, "there is no variable \(printable(name))")
    }
    for name in absent {
      guard let variable = try variable(name, in: store) else { continue }
      throw Fault(.failed, "there is a variable \(printable(name)): \(variable.text)")
    }
    for (name, expression) in values {
      guard let variable = try variable(name, in: store) else {
        throw Fault(.failed, "there is no variable \(printable(name))")
      }
      guard try LineExpression(expression).isFound(in: variable.text) else {
        throw Fault(
          .failed, "the value of \(printable(name)) does not show '\(expression)': \(variable.text)")
      }
    }
    return nil
  }

  /// By its name and vendor, or by its name alone where one vendor has it.
  private func variable(_ name: String, in store: VariableStore) throws -> Variable? {
    let named = store.variables.filter { $0.key.name.description == name }
    if named.count == 1 { return named.first }
    guard named.isEmpty else { return store[try VariableKey(name, vendor: nil, in: store)] }
    return store.variables.first { $0.key.description.lowercased() == name.lowercased() }
  }
}
