internal import Foundation

/// One of the things that are compared.
struct Way {
  let name: String
  /// Too slow for more than one round, the first that counts.
  var isSlow = false
  /// What must be done before each time, outside of the clock.
  var prepare: () async throws -> Void = {}
  /// Does it once; returns how long it took, in seconds.
  let measure: () async throws -> Double

  /// A way whose whole work is timed.
  static func timed(
    _ name: String, isSlow: Bool = false, prepare: @escaping () async throws -> Void = {},
    _ body: @escaping () async throws -> Void
  ) -> Way {
    Way(name: name, isSlow: isSlow, prepare: prepare) { try await seconds(body) }
  }
}

/// Measures ways in turns, and prints each one's times, their median, and what it is of the first way's median.
///
/// - Parameter warmUp: whether a round that does not count goes first, to fill the caches.
func compare(_ title: String, _ ways: [Way], rounds: Int, warmUp: Bool = true) async throws {
  var times = ways.map { _ in [Double]() }
  for round in (warmUp ? 0 : 1)...rounds {
    for (index, way) in ways.enumerated() where !way.isSlow || round == 1 {
      try await way.prepare()
      let time = try await way.measure()
      if round > 0 { times[index].append(time) }
    }
  }
  print("\n\(title)")
  for (index, way) in ways.enumerated() {
    print(row(way.name, times[index], over: index > 0 ? times[0] : nil))
  }
  // What is known is shown, also through a pipe: the next comparison may take minutes.
  fflush(nil)
}

private func row(_ name: String, _ times: [Double], over first: [Double]?) -> String {
  let list = times.map(number).joined(separator: " ")
  let row = "  \(padded(name, 36)) \(padded(list + " s", 32)) median \(number(median(times)))"
  guard let first else { return row }
  let ratios = zip(times, first).map { $0 / $1 }.sorted()
  return row
    + "  ratio \(number(median(times) / median(first))), by round \(ratios.map(number).joined(separator: " "))"
}

func padded(_ text: String, _ length: Int) -> String {
  text.count < length ? text.padding(toLength: length, withPad: " ", startingAt: 0) : text
}

/// Seconds and ratios, with two decimals.
func number(_ value: Double) -> String { String(format: "%.2f", value) }

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// How long something takes, in seconds.
func seconds(_ body: () async throws -> Void) async rethrows -> Double {
  let start = ContinuousClock.now
  try await body()
  return (ContinuousClock.now - start) / .seconds(1)
}
