/// The lines of a command's output that are shown when it fails: the last ones, without the frames of a Python
/// traceback, which would push out what was said before them, most often the cause.
package struct OutputExcerpt: Sendable {
  /// How many lines are shown.
  package static let count = 20
  /// How many bytes of a line are shown.
  private static let lineBytes = 2000
  private static let traceback = "Traceback (most recent call last):"

  private var kept: [String] = []
  private var start = 0
  private var isInTraceback = false

  package init() {}

  /// The lines, oldest first.
  package var lines: [String] { Array(kept[start...] + kept[..<start]) }

  /// Takes the next line.
  package mutating func append(_ line: String) {
    if isInTraceback, line.hasPrefix(" ") { return }
    isInTraceback = line.hasSuffix(Self.traceback)
    let text = line.utf8.count <= Self.lineBytes ? line : String(line.prefix(Self.lineBytes)) + "…"
    if kept.count < Self.count {
      kept.append(text)
    } else {
      kept[start] = text
      start = (start + 1) % Self.count
    }
  }
}
