internal import Foundation
internal import ImageBuilder
internal import ImageModel

/// The words of progress, for people.
enum ProgressText {
  /// The marks before what happened: on a terminal one character, elsewhere none.
  enum Marks {
    case characters, none
  }

  /// The line that an event leaves; nil for one that only moves the live line.
  static func line(_ event: BuildEvent, _ marks: Marks, isVerbose: Bool) -> String? {
    func marked(_ mark: String, _ text: String) -> String { marks == .none ? text : "\(mark) \(text)" }
    switch event {
    case .began(let step): return marks == .none ? "\(step.text) …" : nil
    case .progress, .status: return nil
    case .ended(let step, let seconds, let detail):
      return marked("✓", "\(step.text): \(detail.map { "\($0), " } ?? "")\(precise(seconds))")
    case .failed(let step, let seconds, _):
      return marked("✗", "\(step.text): FAILED after \(precise(seconds))")
    case .stopped(let step, let seconds):
      return marked("-", "\(step.text): stopped after \(precise(seconds))")
    case .log(let step, let line): return isVerbose ? "  \(step.name)| \(line)" : nil
    case .warning(let text): return marks == .none ? "warning: \(text)" : "! \(text)"
    }
  }

  /// The time that a step took.
  static func precise(_ seconds: Double) -> String {
    seconds < 60 ? String(format: "%.1f s", seconds) : whole(seconds)
  }

  /// A time that still runs.
  static func whole(_ seconds: Double) -> String {
    let all = Int(exactly: max(0, seconds).rounded(.down)) ?? 0
    return all < 60 ? "\(all) s" : "\(all / 60) min \(all % 60) s"
  }

  /// How much is done, and how fast that was.
  static func amount(_ done: UInt64, of total: UInt64, in seconds: Double) -> String {
    let percent = total > 0 ? Int(Double(min(done, total)) / Double(total) * 100) : 100
    let text = "\(percent)% of \(ByteSize(bytes: total))"
    guard seconds > 0.5, let rate = UInt64(exactly: (Double(done) / seconds).rounded()) else { return text }
    return "\(text), \(ByteSize(bytes: rate))/s"
  }
}
