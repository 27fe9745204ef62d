/// A regular expression as a step has it, for text of any number of lines: `^` and `$` are the ends of a line.
struct LineExpression {
  private let regex: Regex<AnyRegexOutput>

  /// - Parameter text: one that was checked by its shape.
  init(_ text: String) throws {
    // By scalars, as a person who greps would.
    regex = try Regex(text).anchorsMatchLineEndings().matchingSemantics(.unicodeScalar)
  }

  /// Whether a text has a match.
  func isFound(in text: String) -> Bool { (try? regex.firstMatch(in: text)) != nil }
}
