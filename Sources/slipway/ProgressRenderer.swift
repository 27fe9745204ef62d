internal import ArgumentParser
internal import Basics
internal import Dispatch
internal import ImageBuilder
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
    /// Warnings alone.
    case quiet
  }

  private struct State {
    var live = LiveLine()
    var lost: OutputFailure?
  }

  /// How often the live line is drawn anew, events or not.
  private static let interval = DispatchTimeInterval.milliseconds(250)

  private let medium: Medium
  private let isVerbose: Bool
  private let output = ProgressOutput.standardError
  private let state = Mutex(State())
  // A dispatch source may be used from any thread; only its declaration does not say so.
  nonisolated(unsafe) private let timer: (any DispatchSourceTimer)?

  init(style: ProgressStyle, isVerbose: Bool, isQuiet: Bool) {
    medium =
      switch style {
      case .json: .json
      case .auto where isQuiet, .plain where isQuiet: .quiet
      case .auto where ProgressOutput.standardError.isLive: .terminal
      case .auto, .plain: .plain
      }
    self.isVerbose = isVerbose
    timer = medium == .terminal ? DispatchSource.makeTimerSource() : nil
    timer?.setEventHandler { [weak self] in self?.tick() }
    timer?.schedule(deadline: .now() + Self.interval, repeating: Self.interval)
    timer?.activate()
  }

  deinit {
    timer?.cancel()
  }

  /// Shows one event.
  func show(_ event: BuildEvent) {
    state.withLock { state in
      switch medium {
      case .json: emit(event, &state)
      case .terminal:
        state.live.take(event, at: .now)
        if let line = ProgressText.line(event, .characters, isVerbose: isVerbose) {
          output.write(line: line)
        } else {
          // There may be thousands of them in a second: they are shown by the next tick.
          guard case .began = event else { return }
        }
        draw(state)
      case .plain:
        if let line = ProgressText.line(event, .none, isVerbose: isVerbose) { output.write(line: line) }
      case .quiet:
        if case .warning = event, let line = ProgressText.line(event, .none, isVerbose: false) {
          output.write(line: line)
        }
      }
    }
  }

  /// To be called when the work is done, which a lost reader does not stop.
  ///
  /// - Throws: `OutputFailure` when JSON could not be written.
  func check() throws {
    if let lost = state.withLock({ $0.lost }) { throw lost }
  }

  private func tick() {
    state.withLock { draw($0) }
  }

  private func draw(_ state: State) {
    if let line = state.live.text(at: .now) { output.draw(line: line) }
  }

  private func emit(_ event: BuildEvent, _ state: inout State) {
    guard state.lost == nil, let line = try? ProgressJSON(event).line() else { return }
    do throws(OutputFailure) {
      try DataOutput.standard.write(json: line)
    } catch {
      state.lost = error
    }
  }
}
