internal import Foundation
internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// What a build says of itself, on a screen, in a file and to a program.
@Suite struct ProgressTests {
  private static let start = ContinuousClock.now
  private static let step = BuildStep.pour

  /// A build that fails, with the seconds at which things happen.
  private static let build: [(time: Double, event: BuildEvent)] = [
    (0, .began(.closure)),
    (0.26, .ended(.closure, seconds: 0.26, detail: "43 paths, 51.6 MiB")),
    (0.3, .began(.boot)),
    (0.3, .began(.pour)),
    (0.4, .status(.boot, "firmware")),
    (1.3, .progress(.pour, done: 17 << 20, total: 52 << 20)),
    (2.1, .status(.boot, "kernel")),
    (2.2, .ended(.pour, seconds: 1.9, detail: "51.6 MiB")),
    (3.3, .ended(.boot, seconds: 3, detail: nil)),
    (3.4, .began(.hook("preVM"))),
    (3.5, .log(.hook("preVM"), line: "a line\nforged")),
    (75.0, .warning("something is odd")),
    (75.4, .failed(.hook("preVM"), seconds: 72, reason: "it exited with 1")),
    (75.4, .stopped(.merge, seconds: 4.25)),
  ]

  @Test func aTerminalShowsWhatRunsAndWhatCameOfIt() throws {
    var live = LiveLine()
    var lines: [String] = []
    for (time, event) in Self.build {
      let now = Self.start + .seconds(time)
      live.take(event, at: now)
      if let line = ProgressText.line(event, .characters, isVerbose: false) { lines.append(line) }
      lines.append("\(time): " + (live.text(at: now + .seconds(1)) ?? "nothing"))
    }
    try expectSnapshot(lines.joined(separator: "\n") + "\n", named: "progress-terminal.txt")
  }

  @Test func bootsSideBySideHaveTheirNamesAndOneThatFailsEndsNoOther() {
    var live = LiveLine()
    let boots = ["a.conf", "b\u{1b}.conf", "c.conf"].map { BuildStep.boot(entry: $0) }
    live.take(.began(boots[0]), at: Self.start)
    live.take(.began(boots[1]), at: Self.start)
    live.take(.status(boots[0], "kernel"), at: Self.start)
    let now = Self.start + .seconds(2)
    #expect(live.text(at: now) == "… boot b\\u{1B}.conf, 2 s · boot a.conf, 2 s: kernel")
    live.take(.failed(boots[0], seconds: 2, reason: "it did not boot"), at: now)
    live.take(.began(boots[2]), at: now)
    #expect(live.text(at: now) == "… boot c.conf, 0 s · boot b\\u{1B}.conf, 2 s")
  }

  @Test(arguments: [false, true])
  func aFileGetsALineForEachBeginningAndEnd(isVerbose: Bool) throws {
    let lines = Self.build.compactMap { ProgressText.line($0.event, .none, isVerbose: isVerbose) }
    try expectSnapshot(
      lines.joined(separator: "\n") + "\n",
      named: isVerbose ? "progress-plain-verbose.txt" : "progress-plain.txt")
  }

  @Test func aProgramGetsAnObjectForEachEvent() throws {
    let lines = try Self.build.map { try ProgressJSON($0.event).line() }
    try expectSnapshot(lines.joined(separator: "\n") + "\n", named: "progress.jsonl")
  }

  @Test(arguments: [
    (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3725, "62 min 5 s"), (-1, "-1.0 s"),
  ])
  func timesAreShort(seconds: Double, text: String) {
    #expect(ProgressText.precise(seconds) == text)
  }

  @Test func numbersFromAGuestDoNotTrap() {
    #expect(ProgressText.whole(.infinity).hasSuffix(" s"))
    #expect(ProgressText.whole(.nan) == "0 s")
    #expect(ProgressText.amount(.max, of: 0, in: 1e-300) == "100% of 0 B")
    #expect(ProgressText.amount(.max, of: .max, in: 1).hasPrefix("100% of "))
  }
}
