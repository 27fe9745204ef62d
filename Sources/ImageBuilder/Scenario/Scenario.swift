public import Basics
internal import BuildPlan

/// Steps that are done one after the other with one throw-away copy of an image and its EFI variables. What one step
/// leaves, the next one finds.
public struct Scenario: Sendable {
  /// What reports call it.
  public var name: String
  /// Who logs in on the console.
  public var login = ConsoleLogin()
  /// Memory of the machine, in MiB.
  public var memory: UInt64 = 1024
  let source: Item<any ScenarioSource>
  let actions: [Item<any ScenarioAction>]

  /// A step with what is said of it.
  struct Item<Step: Sendable>: Sendable {
    var step: Step
    /// Its line in the file.
    var line: Int
    /// Its kind's key.
    var key: String
    /// What reports call it.
    var name: String
  }

  static let fields = [
    ScenarioField("name", .text, "What reports call the scenario. Default: the file's name."),
    ScenarioField(
      "login",
      .object(
        [
          ScenarioField("user", .text, isRequired: true, "The user."),
          ScenarioField("password", .text, "The password, for a user who has one."),
        ], short: "user"),
      "Who logs in on the serial console. Default: root, without a password."),
    ScenarioField("memory", .number(64...1_048_576), "Memory of the machine, in MiB. Default: 1024."),
    ScenarioField(
      "steps", .steps, isRequired: true, "The steps, in their order. The first is build or image."),
  ]

  /// Reads a scenario, and checks all of it.
  ///
  /// - Parameters:
  ///   - yaml: the text.
  ///   - file: what it is called.
  ///   - systems: store paths by the names that the scenario has for them, as `$NAME`.
  /// - Throws: `Fault` with the line of what cannot be.
  public init(yaml: [UInt8], file: String, systems: [String: String] = [:]) throws(Fault) {
    do {
      try self.init(YAMLValue.read(yaml), file: file, systems: systems)
    } catch {
      throw Fault(
        .badInput, "\(file):\(error.line): \(TerminalText.escaped(error.message))",
        remedy: TerminalText.escaped(error.remedy))
    }
  }

  private init(_ document: YAMLValue, file: String, systems: [String: String]) throws(ScenarioError) {
    let document = try ScenarioShape.object(Self.fields).checked(document, systems)
    name = document["name"]?.text ?? file
    if let login = document["login"] {
      self.login = ConsoleLogin(user: login["user"]?.text ?? "", password: login["password"]?.text)
    }
    if let memory = document["memory"]?.number { self.memory = UInt64(memory) }
    var source: Item<any ScenarioSource>?
    var actions: [Item<any ScenarioAction>] = []
    for value in try document.required("steps").items {
      guard let entry = value.entries.first(where: { $0.key != ScenarioSteps.name.name }),
        let kind = ScenarioSteps.all.first(where: { $0.key == entry.key })
      else { throw ScenarioError(value.line, "this is no step", remedy: "Write a step") }
      let step = try kind.init(entry.value)
      let name = value[ScenarioSteps.name.name]?.text ?? step.text
      switch (step, source) {
      case (let step as any ScenarioSource, nil):
        source = Item(step: step, line: entry.line, key: entry.key, name: name)
      case (is any ScenarioSource, _?):
        throw ScenarioError(
          entry.line, "a scenario has one image, and this is a second", remedy: "Make a scenario of its own")
      case (let step as any ScenarioAction, _?):
        actions.append(Item(step: step, line: entry.line, key: entry.key, name: name))
      default:
        throw ScenarioError(
          entry.line, "there is no image yet", remedy: "Begin with the step build, or the step image")
      }
    }
    guard let source else {
      throw ScenarioError(
        document.line, "there is no image", remedy: "Begin with the step build, or the step image")
    }
    (self.source, self.actions) = (source, actions)
    try checkRemembered()
  }

  /// What is compared has to have been remembered before.
  private func checkRemembered() throws(ScenarioError) {
    var known: Set<String> = []
    for item in actions {
      if let step = item.step as? RememberStep { known.insert(step.name) }
      if let step = item.step as? FilesStep, let name = step.unchanged, !known.contains(name) {
        throw ScenarioError(
          item.line, "nothing before it remembers '\(name)'", remedy: "Add a step remember: \(name) before it"
        )
      }
    }
  }

  /// The kinds of its steps, in their order.
  var keys: [String] { [source.key] + actions.map(\.key) }
}
