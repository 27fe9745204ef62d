/// The lines of a command's output that are shown when it fails: enough to see the cause, whatever it printed.
///
/// The last lines alone are often the complaints of what ran after the cause. So the first lines that speak of an error
/// are kept too. The frames of a Python traceback are left out: they would push out what was said before them.
package struct OutputExcerpt: Sendable {
  /// The most lines that are shown, marks of gaps included.
  package static let limit = 60
  private static let lastLines = 30
  private static let errorLines = 12
  /// How many characters of a line are shown.
  private static let lineLength = 2000

  private typealias Line = (number: Int, text: String)

  private var count = 0
  private var errors: [Line] = []
  private var last: [Line] = []
  private var isInTraceback = false

  package init() {}

  /// Takes the next line.
  package mutating func append(_ line: String) {
    if isInTraceback, line.hasPrefix(" ") { return }
    isInTraceback = line.hasSuffix("Traceback (most recent call last):")
    let text = line.utf8.count <= Self.lineLength ? line : String(line.prefix(Self.lineLength)) + "…"
    if errors.count < Self.errorLines, Self.speaksOfError(text) { errors.append((count, text)) }
    if last.count == Self.lastLines { last.removeFirst() }
    last.append((count, text))
    count += 1
  }

  /// The lines, oldest first, with a mark where some are left out.
  package var lines: [String] {
    let first = last.first?.number ?? 0
    var lines: [String] = []
    var next = 0
    for line in errors.filter({ $0.number < first }) + last {
      if line.number > next { lines.append("(… \(line.number - next) lines …)") }
      lines.append(line.text)
      next = line.number + 1
    }
    return lines
  }

  private static let signs = [
    "error", "fail", "fatal", "cannot", "can't", "could not", "no such", "not a ", "denied", "no space",
  ]

  private static func speaksOfError(_ text: String) -> Bool {
    let text = text.lowercased()
    return signs.contains { text.contains($0) }
  }
}
