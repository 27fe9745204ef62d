internal import BuildMachine

/// Tells how far a boot is while it runs, as far as its console shows it.
struct BootWatch {
  let console: ConsoleLog
  let step: BuildStep
  let recorder: StepRecorder
  /// What the console says of it.
  let status: @Sendable (ConsoleLog) -> String

  private static let interval = Duration.milliseconds(250)

  /// Runs a body, and tells what changes meanwhile.
  func during<Result>(_ body: () async throws -> Result) async throws -> Result {
    let (console, step, recorder, status) = (console, step, recorder, status)
    let task = Task {
      var last: String?
      while true {
        let text = status(console)
        if text != last {
          recorder.status(step, text)
          last = text
        }
        try await Task.sleep(for: Self.interval)
      }
    }
    defer { task.cancel() }
    return try await body()
  }
}

/// How far the installer's boot is.
enum BootPhase: String {
  case firmware, kernel, agent

  /// What is printed first in a phase. The kernel says little more, as it is told to be quiet.
  private static let signs: [(BootPhase, [String])] = [
    (.agent, ["slipway-agent: "]), (.kernel, ["EFI stub: ", "Linux version ", "[    "]),
  ]

  /// - Parameter lines: the console's last lines.
  init(console lines: [String]) {
    let phase = Self.signs.first { _, signs in
      lines.contains { line in signs.contains { line.contains($0) } }
    }
    self = phase?.0 ?? .firmware
  }
}
