/// What all kinds of steps have. From the shape of each follow the reader and the JSON Schema.
protocol ScenarioStep: Sendable {
  /// The key that names the kind.
  static var key: String { get }
  /// What it does, in one sentence.
  static var help: String { get }
  static var shape: ScenarioShape { get }

  /// - Parameter value: one that was checked by the shape.
  /// - Throws: `ScenarioError` for what keys say together and cannot be.
  init(_ value: YAMLValue) throws(ScenarioError)

  /// What this step does, for people.
  var text: String { get }
}

/// A step that says which image the scenario is about. The first one is, and no other.
protocol ScenarioSource: ScenarioStep {
  /// Makes or finds the image.
  ///
  /// - Throws: `Fault`, `SpecError`, `CancellationError`.
  func image(at site: ScenarioSite) async throws -> BootRequest
}

/// A step that does something with the copy, or looks at it.
protocol ScenarioAction: ScenarioStep {
  /// - Returns: what came of it, for people; nil where there is nothing to say.
  /// - Throws: `Fault` when something is not as it has to be; `CancellationError`.
  func run(on stage: ScenarioStage) async throws -> String?
}

/// The kinds of steps.
enum ScenarioSteps {
  static let all: [any ScenarioStep.Type] = [
    BuildImageStep.self, OpenImageStep.self,
    BootStep.self, MustNotBootStep.self,
    SwitchToStep.self, DeleteGenerationsStep.self,
    SetVariableStep.self, DeleteVariableStep.self, BootNextStep.self, VariablesStep.self,
    FillVariablesStep.self,
    FillBootPartitionStep.self, CorruptFileStep.self, RemoveFileStep.self,
    FilesStep.self, RememberStep.self,
  ]

  /// What any step may have beside its kind.
  static let name = ScenarioField("name", .text, "What reports call the step.")
}
