import Foundation
import Fuzz
import TestSupport
import Testing

/// The fuzzers' seeds, whole and damaged, through the same functions that `make fuzz` feeds for hours. A broken rule
/// traps.
@Suite struct SeedTests {
  @Test(arguments: FuzzedParser.allCases)
  func seedsAndDamagedSeedsKeepTheRules(parser: FuzzedParser) throws {
    let folder = URL(filePath: TestSystem.repository("Tests/Fuzz/Seeds")).appending(path: parser.rawValue)
    let seeds = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    try #require(!seeds.isEmpty)
    var random = SplitMix(state: 9)
    for seed in seeds.sorted(by: { $0.path < $1.path }) {
      let bytes = try Array(Data(contentsOf: seed))
      parser.feed(bytes)
      for _ in 0..<200 { parser.feed(damaged(bytes, &random)) }
    }
  }

  /// One to four bytes changed, and every fourth input cut short.
  private func damaged(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    guard !bytes.isEmpty else { return [] }
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      result[Int.random(in: 0..<result.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    return Int.random(in: 0..<4, using: &random) == 0
      ? Array(result.prefix(Int.random(in: 0...result.count, using: &random))) : result
  }
}

/// SplitMix64, so that a failure comes again.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
