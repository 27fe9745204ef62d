internal import Command
internal import Foundation

/// One `slipway build`, as a user runs it, under `time`.
struct SlipwayRun {
  let slipway: String
  let system: String
  let scratch: String

  /// What one build took.
  struct Measure {
    var seconds: Double
    /// In KiB.
    var peakMemory: Int
  }

  /// Builds once, and removes the result.
  func build() async throws -> Measure {
    let out = "\(scratch)/result"
    let report = "\(scratch)/time"
    let command = Command(
      "/usr/bin/time", ["-f", "%M", "-o", report, slipway, "build", "--system", system, "--out", out])
    let time = try await seconds { try await SubprocessRunner().run(command) }
    try FileManager.default.removeItem(atPath: out)
    let memory = try String(contentsOfFile: report, encoding: .utf8)
    return Measure(
      seconds: time, peakMemory: Int(memory.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0)
  }
}
