import Foundation
import Testing

/// One fault, injected: what the row is called, what was done, and what came of it, a line of the drill's table.
///
/// - Parameters:
///   - keeps: names in `out` that are to be there at the end.
///   - body: injects the fault, and notes misses.
func row(
  _ name: String, _ injected: String, keeps: Set<String> = [], _ body: (Bench) async throws -> Void
) async throws {
  let bench = try Bench()
  let start = ContinuousClock.now
  do {
    try await body(bench)
  } catch {
    bench.expect(false, "\(error)")
  }
  let seconds = (ContinuousClock.now - start) / .seconds(1)
  let left = try await bench.leftovers(besides: keeps)
  bench.expect(left.isEmpty, "left over: \(left.joined(separator: ", "))")
  let misses = bench.misses
  let status = bench.status.map(String.init) ?? "-"
  note([
    name, injected, status, String(format: "%.1f", seconds), "\(left.count)",
    misses.isEmpty ? "held" : "MISS",
  ])
  bench.close()
  for miss in misses { Issue.record("\(name), \(injected): \(miss)") }
}

/// Adds a line to the table that `make drill` prints.
private func note(_ cells: [String]) {
  let line = cells.joined(separator: "\t") + "\n"
  guard let path = ProcessInfo.processInfo.environment["SLIPWAY_DRILL_TABLE"],
    let table = FileHandle(forWritingAtPath: path)
  else { return }
  _ = try? table.seekToEnd()
  try? table.write(contentsOf: Data(line.utf8))
  try? table.close()
}

/// Random numbers of this round: `SLIPWAY_DRILL_SEED`, so that a miss comes again.
struct RoundRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ row: String) {
    let seed = ProcessInfo.processInfo.environment["SLIPWAY_DRILL_SEED"].flatMap(UInt64.init) ?? 1
    state = row.utf8.reduce(seed) { ($0 &* 31) &+ UInt64($1) }
  }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// Waits until something is so; a busy machine may take long.
func wait(for what: String, _ isSo: () throws -> Bool) async throws {
  for _ in 0..<6000 {
    if try isSo() { return }
    try await Task.sleep(for: .milliseconds(20))
  }
  throw Timeout(what: what)
}

struct Timeout: Error, CustomStringConvertible {
  var what: String
  var description: String { "waited two minutes in vain for \(what)" }
}
