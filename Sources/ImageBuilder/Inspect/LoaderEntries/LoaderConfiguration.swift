/// What `loader.conf` says of the default entry and the menu (loader.conf(5)).
struct LoaderConfiguration: Hashable {
  /// A pattern for the default entry that passes over what was tried too often; systemd-boot's from version 258 on.
  var preferred: String?
  /// A pattern for the default entry.
  var defaultEntry: String?
  /// Seconds that the menu is shown, or a word such as `menu-hidden`.
  var timeout: String?

  static let place = "/loader/loader.conf"
  /// The most bytes of the file that are read.
  static let sizeLimit = 64 << 10

  init(_ text: String) {
    for (key, value) in KeyedLines(text) {
      switch key {
      case "preferred": preferred = value
      case "default": defaultEntry = value
      case "timeout": timeout = value
      default: break
      }
    }
  }

  /// The entry that systemd-boot starts by itself.
  ///
  /// - Parameters:
  ///   - entries: in the order of the menu.
  ///   - override: the entry that the variable `LoaderEntryDefault` names.
  /// - Returns: an index; nil where there is no entry.
  func defaultIndex(of entries: [EntryName], override: String?) -> Int? {
    func index(of pattern: String?, where condition: (EntryName) -> Bool = { _ in true }) -> Int? {
      guard let pattern, !pattern.hasPrefix("@") else { return nil }
      let glob = GlobPattern(pattern)
      return entries.firstIndex { condition($0) && glob.matches($0.identifier) }
    }
    return index(of: override) ?? index(of: preferred) { $0.triesLeft != 0 } ?? index(of: defaultEntry)
      ?? (entries.isEmpty ? nil : 0)
  }
}

/// A pattern of a shell's kind, with `*`, `?` and `[…]`, that does not tell upper from lower case.
struct GlobPattern {
  private enum Piece: Hashable {
    case any
    case one
    case exactly(Unicode.Scalar)
    case among(Set<Unicode.Scalar>)
  }

  private var pieces: [Piece] = []

  init(_ pattern: String) {
    var rest = Array(pattern.lowercased().unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "*": if pieces.last != .any { pieces.append(.any) }
      case "?": pieces.append(.one)
      case "[":
        if let end = rest.dropFirst().firstIndex(of: "]") {
          pieces.append(.among(Self.members(rest[..<end])))
          rest = rest[(end + 1)...]
        } else {
          pieces.append(.exactly(scalar))
        }
      default: pieces.append(.exactly(scalar))
      }
    }
  }

  private static func members(_ scalars: ArraySlice<Unicode.Scalar>) -> Set<Unicode.Scalar> {
    var members = Set(scalars)
    for index in scalars.indices.dropFirst().dropLast() where scalars[index] == "-" {
      let (first, last) = (scalars[index - 1].value, scalars[index + 1].value)
      // Identifiers are plain text.
      guard first <= last, last < 0x80 else { continue }
      members.formUnion((first...last).compactMap { Unicode.Scalar($0) })
    }
    return members
  }

  /// In a time that grows with the product of both lengths at most.
  func matches(_ text: String) -> Bool {
    let text = Array(text.lowercased().unicodeScalars)
    var (place, piece) = (0, 0)
    var retry: (place: Int, piece: Int)?
    while place < text.count {
      if piece < pieces.count, pieces[piece] == .any {
        retry = (place, piece + 1)
        piece += 1
      } else if piece < pieces.count, Self.takes(pieces[piece], text[place]) {
        place += 1
        piece += 1
      } else if let last = retry {
        retry = (last.place + 1, last.piece)
        (place, piece) = (last.place + 1, last.piece)
      } else {
        return false
      }
    }
    return pieces[piece...].allSatisfy { $0 == .any }
  }

  private static func takes(_ piece: Piece, _ scalar: Unicode.Scalar) -> Bool {
    switch piece {
    case .any: false
    case .one: true
    case .exactly(let wanted): wanted == scalar
    case .among(let members): members.contains(scalar)
    }
  }
}
