internal import ArgumentParser
internal import Basics
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
/// People read standard error; JSON goes to standard output, as data does. Whichever reader is lost, the build goes on.
final class ProgressRenderer: Sendable {
  private enum Medium {
    case terminal, plain, json
  }

  private struct State {
    var began: [String: ContinuousClock.Instant] = [:]
    var lastDraw: ContinuousClock.Instant?
    var lost: OutputFailure?
  }

  private let medium: Medium
  private let verbose: Bool
  private let output = ProgressOutput.standardError
  private let state = Mutex(State())

  init(style: ProgressStyle, verbose: Bool) {
    medium =
      switch style {
      case .json: .json
      case .plain: .plain
      case .auto: ProgressOutput.standardError.isLive ? .terminal : .plain
      }
    self.verbose = verbose
  }

  /// Shows one event.
  func show(_ event: BuildEvent) {
    state.withLock { state in
      if case .began(let step) = event { state.began[step] = .now }
      switch medium {
      case .json: emit(JSONEvent(event), &state)
      case .terminal: drawLive(event, &state)
      case .plain: drawPlain(event)
      }
    }
  }

  /// To be called when the work is done, which a lost reader does not stop.
  ///
  /// - Throws: `OutputFailure` when JSON could not be written.
  func check() throws {
    if let lost = state.withLock({ $0.lost }) { throw lost }
  }

  private func drawLive(_ event: BuildEvent, _ state: inout State) {
    switch event {
    case .began(let step): output.draw(line: "… \(step)")
    case .progress(let step, let done, let total):
      let now = ContinuousClock.now
      if let last = state.lastDraw, now - last < .milliseconds(100) { return }
      state.lastDraw = now
      output.draw(line: "… \(step) \(ProgressText.amount(done, of: total, since: state.began[step]))")
    case .ended(let step, let seconds, let detail):
      output.write(line: "✓ \(ProgressText.end(step, seconds, detail))")
    case .failed(let step, let seconds, _):
      output.write(line: "✗ \(ProgressText.end(step, seconds, "failed"))")
    case .stopped(let step, let seconds):
      output.write(line: "✗ \(ProgressText.end(step, seconds, "stopped"))")
    case .log(let step, let line): if verbose { output.write(line: "  \(step)| \(line)") }
    case .warning(let text): output.write(line: "! \(text)")
    }
  }

  private func drawPlain(_ event: BuildEvent) {
    switch event {
    case .began(let step): output.write(line: "\(step) …")
    case .progress: break
    case .ended(let step, let seconds, let detail):
      output.write(line: ProgressText.end(step, seconds, detail))
    case .failed(let step, let seconds, _): output.write(line: ProgressText.end(step, seconds, "failed"))
    case .stopped(let step, let seconds): output.write(line: ProgressText.end(step, seconds, "stopped"))
    case .log(let step, let line): if verbose { output.write(line: "  \(step)| \(line)") }
    case .warning(let text): output.write(line: "warning: \(text)")
    }
  }

  private func emit(_ event: JSONEvent, _ state: inout State) {
    guard state.lost == nil else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let line = try? encoder.encode(event) else { return }
    do throws(OutputFailure) {
      try DataOutput.standard.write(json: String(decoding: line, as: UTF8.self))
    } catch {
      state.lost = error
    }
  }
}

/// The words of a progress line.
enum ProgressText {
  static func amount(_ done: UInt64, of total: UInt64, since start: ContinuousClock.Instant?) -> String {
    var text = "\(ByteSize(bytes: done)) of \(ByteSize(bytes: total))"
    if let start, case let seconds = (ContinuousClock.now - start) / .seconds(1), seconds > 0.5 {
      text += ", \(ByteSize(bytes: UInt64(exactly: (Double(done) / seconds).rounded()) ?? .max))/s"
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
    case .failed(let step, let seconds, let reason):
      self.event = "failed"
      self.step = step
      self.seconds = seconds
      text = reason
    case .stopped(let step, let seconds):
      self.event = "stopped"
      self.step = step
      self.seconds = seconds
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
