internal import ArgumentParser
internal import Foundation
internal import ImageBuilder
internal import ImageModel
internal import Synchronization

/// How progress is shown.
enum ProgressStyle: String, CaseIterable, ExpressibleByArgument {
  case auto, plain, json
}

/// Draws build events: a live line on a terminal, plain lines elsewhere, or one JSON object a line.
///
/// People read standard error; JSON goes to standard output, as data does.
final class ProgressRenderer: Sendable {
  private enum Medium {
    case terminal, plain, json
  }

  private struct State {
    var began: [String: ContinuousClock.Instant] = [:]
    var lineIsOpen = false
    var lastDraw: ContinuousClock.Instant?
  }

  private let medium: Medium
  private let verbose: Bool
  private let state = Mutex(State())

  init(style: ProgressStyle, verbose: Bool) {
    medium =
      switch style {
      case .json: .json
      case .plain: .plain
      case .auto: isatty(STDERR_FILENO) == 1 ? .terminal : .plain
      }
    self.verbose = verbose
  }

  /// Shows one event.
  func show(_ event: BuildEvent) {
    state.withLock { state in
      switch medium {
      case .json: emit(JSONEvent(event))
      case .terminal: drawLive(event, &state)
      case .plain: drawPlain(event, &state)
      }
    }
  }

  private func drawLive(_ event: BuildEvent, _ state: inout State) {
    switch event {
    case .began(let step):
      state.began[step] = .now
      write("\r\u{1b}[K… \(step)")
      state.lineIsOpen = true
    case .progress(let step, let done, let total):
      let now = ContinuousClock.now
      if let last = state.lastDraw, now - last < .milliseconds(100) { return }
      state.lastDraw = now
      write("\r\u{1b}[K… \(step) \(ProgressText.amount(done, of: total, since: state.began[step]))")
      state.lineIsOpen = true
    case .ended(let step, let seconds, let detail):
      write("\r\u{1b}[K✓ \(ProgressText.end(step, seconds, detail))\n")
      state.lineIsOpen = false
    case .log(let step, let line):
      if verbose { write("\r\u{1b}[K  \(step)| \(line)\n") }
    case .warning(let text):
      write("\r\u{1b}[K! \(text)\n")
    }
  }

  private func drawPlain(_ event: BuildEvent, _ state: inout State) {
    switch event {
    case .began(let step):
      state.began[step] = .now
      write("\(step) …\n")
    case .progress: break
    case .ended(let step, let seconds, let detail): write("\(ProgressText.end(step, seconds, detail))\n")
    case .log(let step, let line): if verbose { write("  \(step)| \(line)\n") }
    case .warning(let text): write("warning: \(text)\n")
    }
  }

  private func emit(_ event: JSONEvent) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let line = try? encoder.encode(event) else { return }
    FileHandle.standardOutput.write(line + Data("\n".utf8))
  }

  private func write(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
  }
}

/// The words of a progress line.
enum ProgressText {
  static func amount(_ done: UInt64, of total: UInt64, since start: ContinuousClock.Instant?) -> String {
    var text = "\(ByteSize(bytes: done)) of \(ByteSize(bytes: total))"
    if let start, case let seconds = (ContinuousClock.now - start) / .seconds(1), seconds > 0.5 {
      text += ", \(ByteSize(bytes: UInt64(Double(done) / seconds)))/s"
    }
    return text
  }

  static func end(_ step: String, _ seconds: Double, _ detail: String?) -> String {
    let time = String(format: "%.1f s", seconds)
    return detail.map { "\(step): \($0), \(time)" } ?? "\(step): \(time)"
  }
}

/// One event as a JSON object.
private struct JSONEvent: Encodable {
  var event: String
  var step: String?
  var done: UInt64?
  var total: UInt64?
  var seconds: Double?
  var detail: String?
  var text: String?

  init(_ event: BuildEvent) {
    switch event {
    case .began(let step):
      self.event = "began"
      self.step = step
    case .progress(let step, let done, let total):
      self.event = "progress"
      self.step = step
      self.done = done
      self.total = total
    case .ended(let step, let seconds, let detail):
      self.event = "ended"
      self.step = step
      self.seconds = seconds
      self.detail = detail
    case .log(let step, let line):
      self.event = "log"
      self.step = step
      text = line
    case .warning(let text):
      self.event = "warning"
      self.text = text
    }
  }
}
