/// The order of a boot menu (UAPI.1, "Sorting"): what was tried too often is last, entries with a sort key are first.
enum EntryOrder {
  /// What the order goes by.
  struct Key: Hashable {
    var name: EntryName
    var sortKey: String?
    var machineID: String?
    var version: String?
  }

  static func precedes(_ one: Key, _ other: Key) -> Bool { compare(one, other) < 0 }

  private static func compare(_ one: Key, _ other: Key) -> Int {
    let steps: [() -> Int] = [
      { order(one.name.triesLeft == 0 ? 1 : 0, other.name.triesLeft == 0 ? 1 : 0) },
      { order(one.sortKey == nil ? 1 : 0, other.sortKey == nil ? 1 : 0) },
      { one.sortKey == nil ? 0 : order(one.sortKey ?? "", other.sortKey ?? "") },
      { one.sortKey == nil ? 0 : order(one.machineID ?? "", other.machineID ?? "") },
      { one.sortKey == nil ? 0 : compareVersions(other.version ?? "", one.version ?? "") },
      { compareVersions(other.name.identifier, one.name.identifier) },
      { order(other.name.triesLeft ?? .max, one.name.triesLeft ?? .max) },
      { order(one.name.triesDone ?? 0, other.name.triesDone ?? 0) },
    ]
    return steps.lazy.map { $0() }.first { $0 != 0 } ?? 0
  }

  private static func order<Value: Comparable>(_ one: Value, _ other: Value) -> Int {
    one < other ? -1 : one > other ? 1 : 0
  }

  /// Compares as UAPI.10 says of versions: letters and digits count, `~` is less than nothing, `-`, `^` and `.` separate,
  /// numbers are compared as numbers.
  ///
  /// - Returns: less than, equal to, or greater than zero.
  static func compareVersions(_ one: String, _ other: String) -> Int {
    var (left, right) = (Array(one.utf8)[...], Array(other.utf8)[...])
    while true {
      left = left.drop { !isPart($0) }
      right = right.drop { !isPart($0) }
      let tilde = UInt8(ascii: "~")
      if left.first == tilde || right.first == tilde {
        guard left.first == right.first else { return left.first == tilde ? -1 : 1 }
        left.removeFirst()
        right.removeFirst()
        continue
      }
      guard let mine = left.first, let others = right.first else {
        return order(left.isEmpty ? 0 : 1, right.isEmpty ? 0 : 1)
      }
      if let separator = "-^.".utf8.first(where: { $0 == mine || $0 == others }) {
        guard mine == others else { return mine == separator ? -1 : 1 }
        left.removeFirst()
        right.removeFirst()
        continue
      }
      if isDigit(mine) || isDigit(others) {
        let numbers = (take(&left, isDigit).drop { $0 == 0x30 }, take(&right, isDigit).drop { $0 == 0x30 })
        let result = order(numbers.0.count, numbers.1.count)
        if result != 0 { return result }
        if numbers.0 != numbers.1 { return numbers.0.lexicographicallyPrecedes(numbers.1) ? -1 : 1 }
        continue
      }
      let words = (take(&left, isLetter), take(&right, isLetter))
      // Lower case is later, as in ASCII.
      if words.0 != words.1 { return words.0.lexicographicallyPrecedes(words.1) ? -1 : 1 }
    }
  }

  private static func take(_ text: inout ArraySlice<UInt8>, _ isWanted: (UInt8) -> Bool) -> ArraySlice<UInt8>
  {
    let part = text.prefix(while: isWanted)
    text = text.dropFirst(part.count)
    return part
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }
  private static func isPart(_ byte: UInt8) -> Bool {
    isDigit(byte) || isLetter(byte) || "~-^.".utf8.contains(byte)
  }
}
