/// What a serial console shows, without what moves a terminal's cursor.
struct ConsoleText {
  private let controlSequence: Regex<Substring> = /\u{1b}(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78Mc])/

  /// Without terminal control sequences (ECMA-48), which firmware and systemd put between words, and without carriage returns.
  func plain(_ piece: String) -> String {
    let words = piece.utf8.contains(0x1B) ? piece.replacing(controlSequence, with: "") : piece
    // By scalars: to Swift "\r\n" is one character, which is neither of the two.
    let scalars = words.unicodeScalars.filter { $0 != "\r" }
    return String(String.UnicodeScalarView(scalars))
  }
}
