internal import ImageBuilder

/// The steps that run at the moment, as one line. Pure: whoever draws it says what time it is.
struct LiveLine {
  private struct Running {
    var step: BuildStep
    var start: ContinuousClock.Instant
    var amount: (done: UInt64, total: UInt64)?
    var status: String?
  }

  private var running: [Running] = []
  /// A build in which a step failed comes to its end, and the terminal may be a debug shell's. Of several boots, others follow.
  private var hasFailed = false

  /// Takes note of what happened.
  mutating func take(_ event: BuildEvent, at time: ContinuousClock.Instant) {
    switch event {
    case .began(let step):
      running.append(Running(step: step, start: time))
      hasFailed = false
    case .progress(let step, let done, let total): change(step) { $0.amount = (done, total) }
    case .status(let step, let text): change(step) { $0.status = text }
    case .ended(let step, _, _), .stopped(let step, _): running.removeAll { $0.step == step }
    case .failed(let step, _, _):
      running.removeAll { $0.step == step }
      hasFailed = true
    case .log, .warning: break
    }
  }

  /// The line; nil when there is nothing to show.
  func text(at time: ContinuousClock.Instant) -> String? {
    guard !running.isEmpty, !hasFailed else { return nil }
    // What the screen is too narrow for is cut off at the end: the step that began last is the one of interest.
    return "… " + running.reversed().map { Self.text($0, at: time) }.joined(separator: " · ")
  }

  private mutating func change(_ step: BuildStep, _ body: (inout Running) -> Void) {
    guard let index = running.firstIndex(where: { $0.step == step }) else { return }
    body(&running[index])
  }

  private static func text(_ running: Running, at time: ContinuousClock.Instant) -> String {
    let seconds = (time - running.start) / .seconds(1)
    let text = "\(running.step.text), \(ProgressText.whole(seconds))"
    let more =
      running.amount.map { ProgressText.amount($0.done, of: $0.total, in: seconds) } ?? running.status
    return more.map { "\(text): \($0)" } ?? text
  }
}
