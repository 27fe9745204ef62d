internal import Command
internal import Foundation

/// Prints how build times compare. Both sides of a ratio are measured in one run, in turns: machines are noisy.
@main
struct Bench {
  static let rounds = 3

  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else {
      print("usage: slipway-bench SLIPWAY SYSTEM")
      exit(2)
    }
    let (slipway, system) = (arguments[1], arguments[2])
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("slipway-bench-\(getpid())")
      .path
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }

    let bare = try await BareBoot.prepare(slipway: slipway, scratch: scratch)
    var times = (bare: [Double](), build: [Double]())
    var memory = 0
    for round in 0...rounds {
      let bareTime = try await seconds { try await bare.run() }
      let build = try await SlipwayRun(slipway: slipway, system: system, scratch: scratch).build()
      // The first round fills caches on both sides.
      guard round > 0 else { continue }
      times.bare.append(bareTime)
      times.build.append(build.seconds)
      memory = max(memory, build.peakMemory)
    }
    print(row("bare OVMF + kernel + poweroff, same domain", times.bare))
    print(row("slipway build, efi, raw", times.build))
    let ratios = zip(times.build, times.bare).map { $0 / $1 }.sorted()
    print(
      "ratio of the medians \(number(median(times.build) / median(times.bare))), of the rounds "
        + ratios.map(number).joined(separator: " "))
    print("peak memory of slipway \(memory / 1024) MiB")
  }

  private static func row(_ name: String, _ times: [Double]) -> String {
    "\(name.padding(toLength: 44, withPad: " ", startingAt: 0)) \(times.map(number).joined(separator: " ")) s"
  }

  private static func number(_ value: Double) -> String { String(format: "%.2f", value) }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// How long something takes, in seconds.
func seconds(_ body: () async throws -> Void) async rethrows -> Double {
  let start = ContinuousClock.now
  try await body()
  return (ContinuousClock.now - start) / .seconds(1)
}
