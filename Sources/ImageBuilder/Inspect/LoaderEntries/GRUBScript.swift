/// The words of a GRUB configuration (GRUB manual, "Shell-like scripting"), as far as a menu needs them: nothing is run, and
/// variables stay as they are written.
struct GRUBScript {
  enum Token: Hashable {
    case word(String)
    case open, close
    /// The end of a command.
    case end
  }

  let tokens: [Token]

  /// - Parameter text: the caller limits its length.
  init(_ text: String) {
    var tokens: [Token] = []
    var rest = Substring(text).unicodeScalars
    var word: String.UnicodeScalarView?
    /// Whether any of the word was quoted; a quoted brace is none.
    var isQuoted = false

    func finish() {
      guard let finished = word else { return }
      switch String(finished) {
      case "{" where !isQuoted: tokens.append(.open)
      case "}" where !isQuoted: tokens.append(.close)
      case let text: tokens.append(.word(text))
      }
      word = nil
      isQuoted = false
    }

    func append(_ scalar: Unicode.Scalar) {
      var scalars = word ?? .init()
      word = nil
      scalars.append(scalar)
      word = scalars
    }

    while let scalar = rest.popFirst() {
      switch scalar {
      case " ", "\t", "\r": finish()
      case "\n", ";":
        finish()
        tokens.append(.end)
      case "#" where word == nil: rest = rest.drop { $0 != "\n" }
      case "\\":
        isQuoted = true
        if let next = rest.popFirst(), next != "\n" { append(next) }
      case "'", "\"":
        isQuoted = true
        if word == nil { word = .init() }
        while let next = rest.popFirst(), next != scalar {
          // Within single quotes a backslash is one.
          if next == "\\", scalar == "\"", let escaped = rest.first, "\"\\$`".unicodeScalars.contains(escaped)
          {
            rest.removeFirst()
            append(escaped)
          } else {
            append(next)
          }
        }
      default: append(scalar)
      }
    }
    finish()
    self.tokens = tokens + [.end]
  }
}
