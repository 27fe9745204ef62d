internal import Basics
internal import BuildMachine

/// What has to come of a boot, and how a boot of which something else comes is told.
struct BootJudgement {
  /// A regular expression for what the console of a system that is up shows.
  let expect: String
  /// Seconds that the boot had.
  let timeLimit: Int
  /// What gives a boot more time, as a user writes it.
  let timeOption: String
  /// What to do about a boot that failed; nil where the cause says all there is.
  let remedy: String?
  let machine: Machine

  /// The line with the expected text.
  ///
  /// - Throws: `Fault` for a boot that shows none.
  func token(of outcome: ImageBoot.Outcome) throws(Fault) -> String {
    switch outcome.end {
    case .up(let token): return token
    case .lost(let reason): throw fault("the image did not boot: \(reason)", remedy)
    case .late:
      throw fault(
        "the image did not boot: '\(expect)' did not appear on the console in \(timeLimit) seconds\(started(outcome))",
        remedy ?? moreTime)
    }
  }

  /// Why the system did not come up.
  ///
  /// - Throws: `Fault` for a system that came up, and for one that may only be slow.
  func reason(of outcome: ImageBoot.Outcome) throws(Fault) -> String {
    switch outcome.end {
    case .lost(let reason): return reason
    case .late(isSilent: true):
      let last = machine.console.lastLines.last { !$0.allSatisfy(\.isWhitespace) }
      return
        "the system was not up after \(timeLimit) seconds\(started(outcome)); "
        + "the console's last line is: \(last ?? "none")"
    case .late(isSilent: false):
      throw fault(
        "it cannot be told whether the image boots: its console is still busy after \(timeLimit) seconds",
        moreTime)
    case .up(let token): throw fault("the image booted, and must not: \(token)", nil)
    }
  }

  /// Makes sure that a boot got to the point at which its power was cut.
  ///
  /// - Throws: `Fault` for a boot that cannot get there.
  func check(_ outcome: ImageBoot.Outcome, reached point: BootTrial.CutPoint) throws(Fault) {
    if case .seconds = point, case .late = outcome.end { return }
    _ = try token(of: outcome)
  }

  func fault(_ reason: String, _ remedy: String?) -> Fault {
    Fault(.failed, reason, remedy: remedy, evidence: machine.console.lastLines)
  }

  /// What has all of the time and shows nothing may be a program of the firmware's that is no system at all.
  private func started(_ outcome: ImageBoot.Outcome) -> String {
    outcome.started.map { "; the firmware has started \($0)" } ?? ""
  }

  private var moreTime: String { "Give it more time with \(timeOption)" }
}

extension BootTrial.CutPoint {
  /// What a boot has to show until then, and when its time is over.
  ///
  /// - Parameter deadline: the end of the time that a text has.
  func end(_ deadline: BootDeadline) -> (expect: String, instant: ContinuousClock.Instant) {
    switch self {
    // Nothing matches it.
    case .seconds(let seconds): ("(?!)", .now + .seconds(seconds))
    case .console(let expression): (expression, deadline.instant)
    }
  }
}
