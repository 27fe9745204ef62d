/// Text from outside, made fit for a person's terminal: the one place where it is escaped.
///
/// Outside is whatever this process did not write itself: a guest, a file's name, a tool's output, a manifest.
package enum TerminalText {
  /// A line without terminal control sequences, and with every other control character spelled out.
  ///
  /// Text from outside must not be able to move the cursor, or to forge a line of ours.
  package static func escaped(_ line: String) -> String {
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
