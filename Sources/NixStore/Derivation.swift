/// The outputs a derivation file declares.
enum Derivation {
  /// Reads the first list of a derivation: tuples of output name, store path, hash algorithm, hash.
  ///
  /// - Returns: the outputs whose path is known, in the file's order; nil when the text is not a derivation.
  static func outputs(of text: some Collection<UInt8>) -> [(name: String, path: StorePath)]? {
    var rest = text[...]
    if rest.starts(with: "DrvWithVersion(".utf8) {
      rest = rest.dropFirst("DrvWithVersion(".utf8.count)
      guard readString(&rest) != nil, skip(",", &rest) else { return nil }
    } else {
      guard skip("Derive(", &rest) else { return nil }
    }
    guard skip("[", &rest) else { return nil }
    var outputs: [(name: String, path: StorePath)] = []
    repeat {
      guard skip("(", &rest), let name = readString(&rest), skip(",", &rest),
        let path = readString(&rest), skip(",", &rest),
        readString(&rest) != nil, skip(",", &rest), readString(&rest) != nil, skip(")", &rest)
      else { return nil }
      // A content-addressed output has no path before it is built.
      guard !path.isEmpty else { continue }
      guard let path = StorePath(path: path) else { return nil }
      outputs.append((name, path))
    } while skip(",", &rest)
    return skip("]", &rest) ? outputs : nil
  }

  private static func skip<Text: Collection<UInt8>>(_ word: String, _ rest: inout Text) -> Bool
  where Text.SubSequence == Text {
    guard rest.starts(with: word.utf8) else { return false }
    rest = rest.dropFirst(word.utf8.count)
    return true
  }

  /// A quoted string; a backslash takes the next byte as it is, which is all that names and paths can need.
  private static func readString<Text: Collection<UInt8>>(_ rest: inout Text) -> String?
  where Text.SubSequence == Text {
    guard skip("\"", &rest) else { return nil }
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let escaped = rest.popFirst() else { return nil }
        bytes.append(escaped)
      default: bytes.append(byte)
      }
    }
    return nil
  }
}
