internal import Command
internal import Testing

@Suite("what is shown of a failed command's output")
struct OutputExcerptTests {
  private func excerpt(_ lines: [String]) -> [String] {
    var excerpt = OutputExcerpt()
    for line in lines { excerpt.append(line) }
    return excerpt.lines
  }

  @Test func shortOutputIsShownWhole() {
    let lines = (1...30).map { "line \($0)" }
    #expect(excerpt(lines) == lines)
    #expect(excerpt([]) == [])
  }

  @Test("a traceback does not hide what stood before it")
  func traceback() {
    let traceback =
      ["Traceback (most recent call last):"] + (1...80).map { "  File \"x.py\", line \($0), in main" }
      + ["subprocess.CalledProcessError: Command '['bootctl']' returned non-zero exit status 1."]
    let shown = excerpt((1...500).map { "copying \($0)" } + ["/boot is not a mounted partition"] + traceback)
    #expect(shown.contains("/boot is not a mounted partition"))
    #expect(shown.contains("copying 500"))
    #expect(shown.last?.contains("CalledProcessError") == true)
    #expect(shown.contains { $0.hasPrefix("(… ") })
    #expect(shown.count <= OutputExcerpt.limit)
  }

  @Test("the first lines that speak of an error stay, whatever follows")
  func firstError() {
    let shown = excerpt(["mkfs: fatal: bad magic"] + (1...5000).map { "cleaning up \($0), failed" })
    #expect(shown.first == "mkfs: fatal: bad magic")
    #expect(shown.last == "cleaning up 5000, failed")
    #expect(shown.count <= OutputExcerpt.limit)
  }
}
