/// One external command, before it runs.
package struct Command: Hashable, Sendable {
  /// A name looked up in `PATH`, or an absolute path.
  package var executable: String
  /// Its arguments, without the name.
  package var arguments: [String]
  /// Variables set on top of the caller's environment.
  package var environment: [String: String]
  /// What it reads from standard input.
  package var input: String
  /// The folder that it runs in; nil for the caller's.
  package var folder: String?
  /// What becomes of what it prints.
  package var output: Output

  /// What becomes of what a command prints.
  package enum Output: Hashable, Sendable {
    /// Standard output is returned. Printing more than `SubprocessRunner` keeps is a failure.
    case returned
    /// It is for people: each line is shown, however many there are, and none is kept but those of a failure.
    case shown
  }

  package init(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
    folder: String? = nil, output: Output = .returned
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.input = input
    self.folder = folder
    self.output = output
  }
}

extension Command: CustomStringConvertible {
  /// The command as a POSIX shell takes it, ready to paste.
  package var description: String {
    let settings = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\(shellWord($0.value))" }
    let line = (settings + [shellWord(executable)] + arguments.map(shellWord)).joined(separator: " ")
    return folder.map { "(cd \(shellWord($0)) && \(line))" } ?? line
  }
}

private func shellWord(_ word: String) -> String {
  let plain = word.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "@%+=:,./_-".utf8.contains(byte)
    }
  }
  if plain, !word.isEmpty { return word }
  return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
