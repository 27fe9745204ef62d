internal import AgentProtocol
internal import Synchronization

/// What of a command's output is shown when it fails: enough to see the cause, whatever it printed.
///
/// The last lines alone are often a traceback, or the complaints of what ran after the cause. So the first lines that
/// speak of an error are kept too, and what stood before the first traceback. Bounded in lines.
final class OutputExcerpt: Sendable {
  private typealias Line = (number: Int, text: String)

  /// How many lines are kept of each sort; together fewer than a failure may have, with the marks of gaps.
  private static let lastLines = 30
  private static let errorLines = 12
  private static let linesBeforeTraceback = 8

  private struct State {
    var count = 0
    var errors: [Line] = []
    var beforeTraceback: [Line]?
    var last: [Line] = []
  }

  private let state = Mutex(State())

  /// Takes the next line.
  func add(_ text: String) {
    state.withLock { state in
      if state.beforeTraceback == nil, text.contains("Traceback (most recent call last)") {
        state.beforeTraceback = state.last.suffix(Self.linesBeforeTraceback)
      }
      let line = Line(state.count, text)
      state.count += 1
      if state.errors.count < Self.errorLines, Self.speaksOfError(text) { state.errors.append(line) }
      if state.last.count == Self.lastLines { state.last.removeFirst() }
      state.last.append(line)
    }
  }

  /// The kept lines in their order, with a mark where some are left out.
  var lines: [String] {
    state.withLock { state in
      var kept: [Int: String] = [:]
      for line in state.errors + (state.beforeTraceback ?? []) + state.last { kept[line.number] = line.text }
      var lines: [String] = []
      var next = 0
      for (number, text) in kept.sorted(by: { $0.key < $1.key }) {
        if number > next { lines.append("(… \(number - next) lines …)") }
        lines.append(text)
        next = number + 1
      }
      return lines.count <= StepFailure.outputLines
        ? lines : Array(lines.prefix(StepFailure.outputLines / 2) + lines.suffix(StepFailure.outputLines / 2))
    }
  }

  private static func speaksOfError(_ text: String) -> Bool {
    let text = text.lowercased()
    return [
      "error", "fail", "fatal", "cannot", "can't", "could not", "no such", "not a ", "denied", "no space",
    ]
    .contains { text.contains($0) }
  }
}
