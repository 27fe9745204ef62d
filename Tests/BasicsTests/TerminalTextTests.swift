internal import Testing

@testable internal import Basics

@Suite struct TerminalTextTests {
  @Test(arguments: [
    ("plain text", "plain text"), ("\u{1B}[0;32mok\u{1B}[0m", "ok"), ("\u{1B}[2J\u{1B}[01;01H", ""),
    ("\u{1B}", "\\u{1B}"), ("\u{1B}[", ""), ("a\u{8}b\u{0}c", "a\\u{8}b\\u{0}c"), ("tab\there", "tab here"),
    ("\u{202E}evil", "\\u{202E}evil"), ("\u{9B}31m", "\\u{9B}31m"), ("日本", "日本"),
  ])
  func escapesWhatCouldMoveTheCursor(line: String, expected: String) {
    #expect(TerminalText.escaped(line) == expected)
  }

  @Test(arguments: [
    ("short", 5, "short"), ("longer", 5, "long…"), ("longer", 1, "…"), ("longer", 0, ""), ("", 0, ""),
    ("x", -3, ""), ("日本語", 6, "日本語"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("a日本", 3, "a…"),
    ("e\u{301}e\u{301}", 3, "e\u{301}…"), ("✓ 👍🏽 x", 6, "✓ 👍…"), ("… ─", 3, "… ─"),
  ])
  func aLineIsCutByTheColumnsThatItTakes(line: String, columns: Int, expected: String) {
    #expect(TerminalText.cut(line, to: columns) == expected)
  }
}
