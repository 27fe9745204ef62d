internal import Basics

/// A name as a directory keeps it: a short one of 8 and 3 characters, and the long one where that is another.
struct FATName: Hashable {
  /// Eleven bytes, padded by spaces.
  let short: [UInt8]
  /// In UTF-16; nil where the short name says all.
  let long: [UInt16]?

  /// A directory has at most 2 MiB (Microsoft FAT specification, 6).
  private static let entryLimit = 65_536

  /// What a directory's own entries for itself and its parent are called.
  static let this = FATName(special: ".")
  static let parent = FATName(special: "..")

  private init(special name: String) {
    short = Array(name.utf8) + Array(repeating: 0x20, count: 11 - name.utf8.count)
    long = nil
  }

  private init(short: [UInt8], long: [UInt16]?) {
    self.short = short
    self.long = long
  }

  /// Names for the nodes of one directory, in their order. Short names get a number where two would be equal, so they
  /// depend on the names in the directory alone.
  ///
  /// - Throws: `Fault` for a name that FAT cannot hold, and for two that it takes for one.
  static func all(of names: [String], in directory: String) throws(Fault) -> [FATName] {
    guard names.count <= entryLimit else {
      throw Fault(
        .failed, "could not write \(directory.isEmpty ? "/" : directory) to FAT",
        cause: "a directory has at most \(entryLimit) entries, and it would have \(names.count)")
    }
    var taken = ShortNames()
    var folded: Set<String> = []
    var made: [String: FATName] = [:]
    // Those that are short names as they are come first, so that no made one takes theirs.
    for name in names where isShort(name) {
      taken.names.insert(split(name))
    }
    for name in names {
      try check(name, in: directory)
      guard folded.insert(name.uppercased()).inserted else {
        throw Fault(
          .failed, "could not write \(directory)/\(name) to FAT",
          cause: "another name there differs in upper and lower case only")
      }
      guard !isShort(name) else {
        made[name] = FATName(short: split(name), long: nil)
        continue
      }
      made[name] = FATName(short: short(for: name, besides: &taken), long: Array(name.utf16))
    }
    return names.compactMap { made[$0] }
  }

  private static func check(_ name: String, in directory: String) throws(Fault) {
    let isTaken = name.unicodeScalars.contains {
      $0.value < 0x20 || $0.value == 0x7f || #"\/:*?"<>|"#.unicodeScalars.contains($0)
    }
    let endsBadly = name.hasSuffix(".") || name.hasSuffix(" ")
    guard !name.isEmpty, !isTaken, !endsBadly, name.utf16.count <= 255 else {
      throw Fault(
        .failed, "could not write \(directory)/\(name) to FAT", cause: "FAT cannot hold such a name")
    }
  }

  /// Characters of a short name (Microsoft FAT specification, 6.1).
  private static func isShortCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a: true
    default: "$%'-_@~`!(){}^#&".utf8.contains(byte)
    }
  }

  private static func isShort(_ name: String) -> Bool {
    let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count <= 2, let base = parts.first, (1...8).contains(base.count) else { return false }
    guard parts.allSatisfy({ $0.allSatisfy(isShortCharacter) }) else { return false }
    return parts.count == 1 || (1...3).contains(parts[1].count)
  }

  /// The eleven bytes of a name that is short already.
  private static func split(_ name: String) -> [UInt8] {
    let parts = name.utf8.split(separator: UInt8(ascii: ".")).map(Array.init)
    return padded(parts.first ?? [], parts.count > 1 ? parts[1] : [])
  }

  private static func padded(_ base: [UInt8], _ ending: [UInt8]) -> [UInt8] {
    base + Array(repeating: 0x20, count: 8 - base.count) + ending
      + Array(repeating: 0x20, count: 3 - ending.count)
  }

  /// A short name for a long one: in upper case, without what a short name cannot have, and with a number when that
  /// lost something or the name is taken (Microsoft FAT specification, 7.4).
  private static func short(for name: String, besides taken: inout ShortNames) -> [UInt8] {
    let trimmed = name.utf8.filter { $0 != 0x20 }.drop { $0 == UInt8(ascii: ".") }
    let dot = trimmed.lastIndex(of: UInt8(ascii: "."))
    let base = shortened(dot.map { trimmed[..<$0] } ?? trimmed[...])
    let ending = dot.map { shortened(trimmed[($0 + 1)...]) } ?? ShortPart(bytes: [], lost: false)
    let plain = padded(
      Array((base.bytes.isEmpty ? [UInt8(ascii: "_")] : base.bytes).prefix(8)), Array(ending.bytes.prefix(3)))
    let isWhole =
      !base.lost && !ending.lost && !base.bytes.isEmpty && base.bytes.count <= 8 && ending.bytes.count <= 3
      && trimmed.count == name.utf8.count
    if isWhole, taken.names.insert(plain).inserted { return plain }
    return taken.numbered { number in
      let tail = Array("~\(number)".utf8)
      return (Array(base.bytes.prefix(8 - tail.count)), tail, Array(ending.bytes.prefix(3)))
    }
  }

  /// The short names of a directory so far.
  private struct ShortNames {
    var names: Set<[UInt8]> = []
    /// Below which number all are taken, for each beginning and ending that a name with such a number has.
    private var firstFree: [[[UInt8]]: Int] = [:]

    /// Takes the name with the lowest number that is free.
    ///
    /// - Parameter parts: what a number makes of the name: beginning, number, ending.
    mutating func numbered(_ parts: (Int) -> ([UInt8], [UInt8], [UInt8])) -> [UInt8] {
      // A directory has fewer entries than there are numbers of six digits.
      for first in [1, 10, 100, 1000, 10_000, 100_000] {
        let (base, _, ending) = parts(first)
        let family = [base, ending, [UInt8(truncatingIfNeeded: "\(first)".utf8.count)]]
        for number in (firstFree[family] ?? first)..<(first * 10) {
          let (base, tail, ending) = parts(number)
          let short = FATName.padded(base + tail, ending)
          firstFree[family] = number + 1
          if names.insert(short).inserted { return short }
        }
      }
      return []
    }
  }

  private struct ShortPart {
    var bytes: [UInt8]
    /// Whether something could not be kept, other than the case.
    var lost: Bool
  }

  private static func shortened(_ part: some Sequence<UInt8>) -> ShortPart {
    var result = ShortPart(bytes: [], lost: false)
    for byte in part {
      let upper = (0x61...0x7a).contains(byte) ? byte - 0x20 : byte
      if isShortCharacter(upper) {
        result.bytes.append(upper)
      } else if upper == UInt8(ascii: ".") || upper & 0xc0 == 0x80 {
        // A dot inside, or a further byte of a character that is replaced as a whole.
        result.lost = true
      } else {
        result.bytes.append(UInt8(ascii: "_"))
        result.lost = true
      }
    }
    return result
  }

  /// How many entries of 32 bytes it takes.
  var entries: Int { 1 + (long.map { ($0.count + 12) / 13 } ?? 0) }

  /// The entries of the long name, the last part first, as they stand in front of the short one's.
  func longEntries() -> [UInt8] {
    guard let long else { return [] }
    let sum = short.reduce(UInt8(0)) { ($0 >> 1 | $0 << 7) &+ $1 }
    let count = (long.count + 12) / 13
    return (1...count).reversed().flatMap { number -> [UInt8] in
      let first = (number - 1) * 13
      let units = (0..<13).map { index -> UInt16 in
        let place = first + index
        return place < long.count ? long[place] : place == long.count ? 0 : 0xffff
      }
      func bytes(_ range: Range<Int>) -> [UInt8] { units[range].flatMap(\.littleEndianBytes) }
      let order = UInt8(number) | (number == count ? 0x40 : 0)
      return [order] + bytes(0..<5) + [0x0f, 0, sum] + bytes(5..<11) + [0, 0] + bytes(11..<13)
    }
  }
}
