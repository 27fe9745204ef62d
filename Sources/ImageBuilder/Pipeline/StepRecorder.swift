internal import Basics
internal import BuildMachine
internal import Synchronization

/// Tells about the steps of one build, and remembers how long each took and what it warned of.
final class StepRecorder: Sendable {
  private struct Record {
    var steps: [BuildReport.Step] = []
    var warnings: [String] = []
    var start: BuildReport.Start?
  }

  private let record = Mutex(Record())
  private let events: BuildEventHandler

  init(_ events: @escaping BuildEventHandler) {
    self.events = events
  }

  var steps: [BuildReport.Step] { record.withLock { $0.steps } }
  var warnings: [String] { record.withLock { $0.warnings } }

  /// How the machine came up.
  var start: BuildReport.Start? {
    get { record.withLock { $0.start } }
    set { record.withLock { $0.start = newValue } }
  }

  /// Runs one step.
  ///
  /// - Parameter detail: what to say of the result, such as its size.
  func step<Result>(
    _ step: BuildStep, detail: (Result) -> String? = { _ in nil }, _ body: () async throws -> Result
  ) async throws -> Result {
    events(.began(step))
    let start = ContinuousClock.now
    let result: Result
    do {
      result = try await body()
    } catch {
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      events(
        error is CancellationError || error is RestoreFailure || Task.isCancelled
          ? .stopped(step, seconds: seconds)
          : .failed(step, seconds: seconds, reason: reason(of: error)))
      throw error
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    record.withLock {
      $0.steps.append(BuildReport.Step(name: step.name, seconds: (seconds * 1000).rounded() / 1000))
    }
    events(.ended(step, seconds: seconds, detail: detail(result)))
    return result
  }

  /// The cause alone: what to do and the evidence follow when the build has ended.
  private func reason(of error: any Error) -> String {
    switch error {
    case let error as Fault: error.message
    default: "\(error)"
    }
  }

  func log(_ step: BuildStep, _ line: String) {
    events(.log(step, line: line))
  }

  func progress(_ step: BuildStep, done: UInt64, total: UInt64) {
    events(.progress(step, done: done, total: total))
  }

  func status(_ step: BuildStep, _ text: String) {
    events(.status(step, text))
  }

  func warn(_ text: String) {
    record.withLock { $0.warnings.append(text) }
    events(.warning(text))
  }
}
