internal import Command
internal import Foundation

/// One `slipway build`, as a user runs it.
struct SlipwayRun {
  let slipway: String
  let system: String
  let scratch: String
  /// Further arguments of the build.
  var arguments: [String] = []

  /// What one build took.
  struct Measure {
    var seconds: Double
    /// The most memory that slipway itself had in use, in KiB; QEMU's is not in it.
    var peakMemory: Int
    /// Its steps, as `log/build.json` has them.
    var steps: [Step]
  }

  /// A step and its seconds.
  struct Step: Decodable {
    var name: String
    var seconds: Double
  }

  private struct Report: Decodable {
    var steps: [Step]
  }

  /// Builds once, and removes the result.
  func build() async throws -> Measure {
    let out = "\(scratch)/result"
    let pidFile = "\(scratch)/pid"
    // The shell becomes slipway, so the number it writes is slipway's.
    let script = "echo $$ > '\(pidFile)'; exec \"$@\""
    let words = [slipway, "build", "--system", system, "--out", out] + arguments
    async let peak = peakMemory(pidFile)
    let time = try await seconds {
      try await SubprocessRunner().run(Command("sh", ["-c", script, "sh"] + words))
    }
    let log = try Data(contentsOf: URL(fileURLWithPath: "\(out)/log/build.json"))
    let steps = try JSONDecoder().decode(Report.self, from: log).steps
    try FileManager.default.removeItem(atPath: out)
    defer { try? FileManager.default.removeItem(atPath: pidFile) }
    return Measure(seconds: time, peakMemory: await peak, steps: steps)
  }

  /// Follows the kernel's own record of a process's peak (`VmHWM`, proc(5)) until the process is gone.
  private func peakMemory(_ pidFile: String) async -> Int {
    var peak = 0
    var wasSeen = false
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(50))
      guard let pid = try? String(contentsOfFile: pidFile, encoding: .utf8) else { continue }
      let path = "/proc/\(pid.trimmingCharacters(in: .whitespacesAndNewlines))/status"
      let status = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }) else {
        if wasSeen { break }
        continue
      }
      wasSeen = true
      peak = max(peak, Int(line.filter(\.isNumber)) ?? 0)
    }
    return peak
  }
}
