import Basics

@testable import ImageBuilder

extension Inputs {
  /// A scenario is read, or refused with the line of what cannot be.
  static func scenario(_ bytes: [UInt8]) {
    do {
      let scenario = try Scenario(
        yaml: bytes, file: "s", systems: ["a": "/nix/store/a", "b": "/nix/store/b"])
      precondition(!scenario.keys.isEmpty)
    } catch {
      let words = error.message.split(separator: ":", maxSplits: 2)
      precondition(words.count == 3 && words[0] == "s" && (Int(words[1]) ?? 0) > 0, "the line is not told")
    }
  }
}
