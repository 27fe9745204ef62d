internal import Basics
internal import Foundation

/// The last lines of a console as a person would see them: what the guest prints over counts once.
///
/// systemd's lines about what it waits for, and progress bars, are printed again and again over themselves; without
/// this, the last lines of a boot that hangs would all be one spinner.
struct ConsoleLines {
  private struct Line {
    var text: String
    /// Whether it is printed over the one before it.
    var goesUp: Bool
    /// Whether it is one picture of an animation.
    var isPicture: Bool
  }

  /// More than anybody asks for, so that empty lines push nothing out.
  private static let capacity = 2 * ConsoleLog.keptLines
  /// ESC M goes one line up (ECMA-48, reverse line feed): systemd's way to print over its last line.
  private static let lineUp = Array("\u{1B}M".utf8)

  private var kept: [Line] = []
  private var partial: [UInt8] = []
  /// A carriage return came last: a newline ends the line, and anything else is printed over it.
  private var hasReturned = false

  /// The last lines that are not empty, oldest first, escaped.
  func last(_ count: Int) -> [String] {
    var lines = kept
    if let line = Self.line(partial) { Self.append(line, to: &lines) }
    return lines.map(\.text).filter { !$0.isEmpty }.suffix(count)
  }

  /// Takes the next bytes.
  ///
  /// - Returns: the lines that they complete, escaped, also those that are printed over.
  mutating func take(_ bytes: [UInt8]) -> [String] {
    var completed: [String] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n"): completed.append(endLine())
      case UInt8(ascii: "\r"): hasReturned = true
      default:
        if hasReturned { partial = partial.starts(with: Self.lineUp) ? Self.lineUp : [] }
        hasReturned = false
        if partial.count >= ConsoleLog.lineLimit { completed.append(endLine()) }
        partial.append(byte)
      }
    }
    return completed
  }

  private mutating func endLine() -> String {
    defer {
      partial.removeAll(keepingCapacity: true)
      hasReturned = false
    }
    guard let line = Self.line(partial) else { return "" }
    Self.append(line, to: &kept)
    if kept.count > Self.capacity { kept.removeFirst(kept.count - Self.capacity) }
    return line.text
  }

  /// Puts a line at the end, in the place of the one that it is printed over or that it animates.
  private static func append(_ line: Line, to lines: inout [Line]) {
    if let last = lines.last, line.goesUp || (line.isPicture && last.isPicture) { lines.removeLast() }
    lines.append(line)
  }

  private static func line(_ bytes: [UInt8]) -> Line? {
    guard !bytes.isEmpty else { return nil }
    let goesUp = bytes.starts(with: lineUp)
    let rest = goesUp ? bytes.dropFirst(lineUp.count) : bytes[...]
    let text = TerminalText.escaped(String(decoding: rest, as: UTF8.self))
    return Line(text: text, goesUp: goesUp, isPicture: isSpinner(text))
  }

  /// `[  *** ] (1 of 2) A start job is running for X (5s / 90s)`: the stars walk, the numbers run.
  private static func isSpinner(_ text: String) -> Bool {
    let trimmed = text.drop { $0 == " " }
    guard trimmed.first == "[", let end = trimmed.firstIndex(of: "]") else { return false }
    let stars = trimmed[trimmed.index(after: trimmed.startIndex)..<end]
    return stars.contains("*") && stars.allSatisfy { $0 == "*" || $0 == " " }
  }
}
