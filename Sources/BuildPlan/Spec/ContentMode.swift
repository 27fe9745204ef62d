/// What becomes of the permission bits of a content: an octal number, or changes as rsync's `--chmod` has them, which are
/// make-disk-image's: `u=rwX,go=rX`, `D755,F644`.
public struct ContentMode: Hashable, Sendable {
  /// A change of the bits, of those before the comma.
  private struct Change: Hashable {
    var isForFiles = true
    var isForFolders = true
    /// The bits that stay.
    var kept: UInt16 = 0o7777
    var added: UInt16 = 0
    /// Whether files that nobody may execute get no execute bit.
    var keepsExecution = false
  }

  /// As a spec spells it.
  let text: String
  private let changes: [Change]

  /// - Returns: nil for what is neither.
  public init?(_ text: String) {
    if let bits = Self.octal(text[...]) {
      self = .octal(bits, text)
      return
    }
    var changes: [Change] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let change = Self.change(word) else { return nil }
      changes.append(change)
    }
    self.init(text: text, changes: changes)
  }

  private init(text: String, changes: [Change]) {
    self.text = text
    self.changes = changes
  }

  /// The mode of these permission bits.
  ///
  /// - Parameter text: as a spec spells it; nil for the usual form.
  static func octal(_ bits: UInt16, _ text: String? = nil) -> ContentMode {
    // A folder that may be read may be entered.
    ContentMode(
      text: text ?? "0" + String(bits, radix: 8),
      changes: [
        Change(isForFolders: false, kept: 0, added: bits),
        Change(isForFiles: false, kept: 0, added: bits | (bits & 0o444) >> 2),
      ])
  }

  /// The bits that a file or folder has in the image.
  ///
  /// - Parameter found: those of its source.
  package func bits(of found: UInt16, isFolder: Bool) -> UInt16 {
    changes.filter { isFolder ? $0.isForFolders : $0.isForFiles }.reduce(found) { bits, change in
      let executes = !change.keepsExecution || isFolder || found & 0o111 != 0
      return bits & change.kept | (executes ? change.added : change.added & ~0o111)
    }
  }

  private static func octal(_ digits: Substring) -> UInt16? {
    guard !digits.isEmpty, digits.allSatisfy({ ("0"..."7").contains($0) }) else { return nil }
    return UInt16(digits, radix: 8).flatMap { $0 <= 0o7777 ? $0 : nil }
  }

  private static func change(_ word: Substring) -> Change? {
    let kinds = word.prefix { $0 == "D" || $0 == "F" }
    guard Set(kinds).count < 2 else { return nil }
    var change = Change(isForFiles: !kinds.contains("D"), isForFolders: !kinds.contains("F"))
    let rest = word.dropFirst(kinds.count)
    if let bits = octal(rest) {
      (change.kept, change.added) = (0, bits)
      return change
    }
    let who = rest.prefix { "ugoa".contains($0) }
    guard let operation = rest.dropFirst(who.count).first,
      let bits = bits(rest.dropFirst(who.count + 1), for: who)
    else { return nil }
    change.keepsExecution = bits.keepsExecution
    switch operation {
    case "+": change.added = bits.value
    case "-": change.kept = ~bits.value
    case "=": (change.kept, change.added) = (~bits.replaced, bits.value)
    default: return nil
    }
    return change
  }

  /// What the letters behind `+`, `-` and `=` stand for. Without a `who` it is everybody, but for the bits of the usual
  /// umask, 022: the one of this process must not decide what is in an image.
  private static func bits(
    _ letters: Substring, for who: Substring
  ) -> (value: UInt16, replaced: UInt16, keepsExecution: Bool)? {
    func has(_ names: String) -> Bool { who.contains { names.contains($0) } }
    let places: UInt16 = (has("ua") ? 0o100 : 0) | (has("ga") ? 0o010 : 0) | (has("oa") ? 0o001 : 0)
    let whose = who.isEmpty ? 0o111 : places
    let special: UInt16 = (who.contains("u") ? 0o4000 : 0) | (who.contains("g") ? 0o2000 : 0)
    var (what, top): (UInt16, UInt16) = (0, 0)
    for letter in letters {
      switch letter {
      case "r": what |= 4
      case "w": what |= 2
      case "x", "X": what |= 1
      case "s": top |= special == 0 ? 0o4000 : special
      case "t": top |= 0o1000
      default: return nil
      }
    }
    let value = whose * what & ~(who.isEmpty ? 0o022 : 0)
    return (value | top, whose * 7 | (top == 0 ? 0 : special), letters.contains("X"))
  }
}

extension ContentMode: Codable {
  /// Decodes what `encode` wrote. Specs are read by `ImageSpec.init(json:)`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let mode = Self(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a file mode")
    }
    self = mode
  }

  /// Encodes the text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
