/// Text from outside, made fit for a person's terminal: the one place where it is escaped.
///
/// Outside is whatever this process did not write itself: a guest, a file's name, a tool's output, a manifest.
package enum TerminalText {
  /// A line without terminal control sequences, and with every other control character spelled out.
  ///
  /// Text from outside must not be able to move the cursor, or to forge a line of ours.
  package static func escaped(_ line: String) -> String {
    // Most lines are plain ASCII.
    if line.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return line }
    var result = ""
    var scalars = Substring(line).unicodeScalars
    while let scalar = scalars.popFirst() {
      if scalar == "\u{1B}", scalars.first == "[" {
        dropControlSequence(&scalars)
      } else if scalar == "\t" {
        result += " "
      } else if isDangerous(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// As much of an escaped line as fits into some columns, with `…` at its end where that is not all of it.
  package static func cut(_ line: String, to columns: Int) -> String {
    var kept = String.UnicodeScalarView()
    var width = 0
    for scalar in line.unicodeScalars {
      guard width + columnLimit(of: scalar) <= columns else {
        while width > columns - 1, let last = kept.popLast() { width -= columnLimit(of: last) }
        return columns > 0 ? String(kept) + "…" : ""
      }
      width += columnLimit(of: scalar)
      kept.append(scalar)
    }
    return line
  }

  /// The most columns that any terminal gives a character. They do not agree on combining marks and emoji, and have tables
  /// of different ages: a line that is cut too early does no harm, and one that wraps cannot be drawn over.
  private static func columnLimit(of scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case ..<0x1100: 1
    // Punctuation, arrows and box drawing, among which are a few emoji.
    case 0x2000..<0x2C00: scalar.properties.isEmoji ? 2 : 1
    default: 2
    }
  }

  /// JSON in which no string has a character that a terminal obeys: DEL, C1 and format characters become `\u` escapes.
  ///
  /// Outside of strings JSON has no such characters, and those below U+0020 are escaped in any JSON.
  package static func escapedJSON(_ json: String) -> String {
    guard json.unicodeScalars.contains(where: { $0.value >= 0x7F && isDangerous($0) }) else { return json }
    var result = ""
    for scalar in json.unicodeScalars {
      if scalar.value >= 0x7F, isDangerous(scalar) {
        for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
          let digits = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Drops what follows the escape character of a control sequence (ECMA-48 5.4): `[`, parameters, a final byte.
  private static func dropControlSequence(_ scalars: inout Substring.UnicodeScalarView) {
    scalars.removeFirst()
    while let next = scalars.first, ("\u{20}"..."\u{3F}").contains(next) { scalars.removeFirst() }
    if let last = scalars.first, ("\u{40}"..."\u{7E}").contains(last) { scalars.removeFirst() }
  }

  /// Control characters, and the format characters that reorder or hide text.
  private static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate: true
    default: false
    }
  }
}
