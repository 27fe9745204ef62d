extension String {
  /// Whether it has a character that no name may have: one that controls a terminal, ends a line, or is not seen.
  var hasControlCharacter: Bool {
    unicodeScalars.contains { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
      default: false
      }
    }
  }
}
