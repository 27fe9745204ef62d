internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import SystemPackage

/// Runs a scenario: its image is made or found, copied, and the steps are done with the copy.
public struct ScenarioRun: Sendable {
  private let scenario: Scenario
  private let machine: MachineChoice
  private let keep: String?
  private let recorder: StepRecorder
  private let events: BuildEventHandler

  /// Prepares a run; nothing is started yet.
  ///
  /// - Parameters:
  ///   - machine: how virtual machines are run.
  ///   - keep: a folder for the console and a screenshot of each boot; nil to keep none.
  ///   - events: is told what happens, from any task.
  public init(
    _ scenario: Scenario, machine: MachineChoice = MachineChoice(), keep: String? = nil,
    events: @escaping BuildEventHandler
  ) {
    (self.scenario, self.machine, self.keep, self.events) = (scenario, machine, keep, events)
    recorder = StepRecorder(events)
  }

  /// Does the steps, until one is not as it has to be, and takes everything down again.
  ///
  /// - Returns: what came of each step.
  /// - Throws: `Fault` when it cannot begin; `CancellationError`.
  public func run() async throws -> ScenarioResult {
    let folder = keep.map { FilePath($0) }
    if let folder, !HostFiles.isFolder(folder) { try HostFiles.makeDirectory(folder) }
    let progress = Progress(scenario, recorder)
    try await ScratchFolder.with("test", mode: machine.connection == nil ? 0o700 : 0o711) { scratch in
      let site = ScenarioSite(scratch: scratch, machine: machine, keep: folder, events: events)
      let source = scenario.source.step
      guard let found = try await progress.perform(0, { (try await source.image(at: site), nil) }) else {
        return
      }
      var request = found
      (request.memory, request.machine) = (scenario.memory, machine)
      // What no copy can be made of is the first step's fault.
      try await progress.blaming(0) {
        try await BootSetup.with(request, for: "test", template: DomainTemplate.verify) { setup in
          let stage = ScenarioStage(
            setup: setup, copy: try await setup.copy("copy"), login: scenario.login,
            mountPoints: try MountPoints(of: request), keep: folder, recorder: recorder)
          for (index, item) in zip(1..., scenario.actions) {
            stage.begin(index, progress.step(index))
            let passed = try await progress.perform(index) { (true, try await item.step.run(on: stage)) }
            progress.note(stage.boots, index)
            guard passed == true else { return }
          }
        }
      }
    }
    return progress.result
  }
}

/// What a step that makes an image has.
struct ScenarioSite: Sendable {
  /// A folder that is gone after the scenario.
  let scratch: FilePath
  let machine: MachineChoice
  /// Where logs are kept; nil for nowhere.
  let keep: FilePath?
  let events: BuildEventHandler
}

/// The results as they come.
private final class Progress {
  private(set) var result: ScenarioResult
  private let recorder: StepRecorder

  init(_ scenario: Scenario, _ recorder: StepRecorder) {
    self.recorder = recorder
    let source = scenario.source
    let steps =
      [ScenarioResult.Step(key: source.key, name: source.name, line: source.line)]
      + scenario.actions.map { .init(key: $0.key, name: $0.name, line: $0.line) }
    result = ScenarioResult(name: scenario.name, steps: steps)
  }

  /// What progress calls a step.
  func step(_ index: Int) -> BuildStep {
    .scenario(result.steps[index].key, "\(index + 1). \(TerminalText.escaped(result.steps[index].name))")
  }

  func note(_ boots: [ScenarioResult.Boot], _ index: Int) {
    result.steps[index].boots = boots
  }

  /// Does a step.
  ///
  /// - Returns: nil when it failed, which is noted.
  /// - Throws: `CancellationError`.
  func perform<Value>(_ index: Int, _ body: () async throws -> (Value, detail: String?)) async throws
    -> Value?
  {
    let start = ContinuousClock.now
    var value: Value?
    try await blaming(index) {
      let done = try await recorder.step(step(index), detail: \.detail) { try await body() }
      value = done.0
      result.steps[index].detail = done.detail
      result.steps[index].outcome = .passed
    }
    result.steps[index].seconds = (ContinuousClock.now - start) / .seconds(1)
    return value
  }

  /// Notes what fails as the fault of a step.
  func blaming(_ index: Int, _ body: () async throws -> Void) async throws {
    let fault: Fault
    do {
      return try await body()
    } catch let error as Fault {
      fault = error
    } catch let error as SpecError {
      fault = Fault(.badInput, error.description)
    } catch let error as PathFailure {
      fault = Fault(error)
    } catch let error as EFIFault {
      fault = Fault(.failed, error.reason)
    } catch let error as StarvedGuest {
      // Another try would begin with what this one has left.
      fault = error.fault
    }
    // What fails because its machine was taken down under it was interrupted.
    try Task.checkCancellation()
    result.steps[index].outcome = .failed(fault.message)
    result.failure = fault
  }
}
