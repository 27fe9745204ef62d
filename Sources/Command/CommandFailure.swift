/// A command that did not end with status 0. Whoever ran it tells a missing program from a full filesystem and from a
/// failure of the command's own.
package struct CommandFailure: Error, Hashable, Sendable {
  /// Why it counts as failed.
  package enum Reason: Hashable, Sendable {
    /// It could not be started; the text says why.
    case notStarted(String)
    /// It ended by itself with this status.
    case exited(Int32)
    /// It was ended by this signal.
    case signalled(Int32)
    /// Its output was longer than any command of ours may print.
    case tooMuchOutput
  }

  package var command: Command
  package var reason: Reason
  /// The last lines of standard output and standard error, oldest first, as `OutputExcerpt` chooses them.
  package var tail: [String]
  /// Whether there is no such program.
  package var isNotFound: Bool

  package init(command: Command, reason: Reason, tail: [String], isNotFound: Bool = false) {
    self.command = command
    self.reason = reason
    self.tail = tail
    self.isNotFound = isNotFound
  }
}

extension CommandFailure: CustomStringConvertible {
  /// The command as a shell takes it, and the last lines of its output.
  package var evidence: [String] { ["$ \(command)"] + tail.map { "| \($0)" } }

  /// Why it failed, without the command and its output.
  package var summary: String {
    switch reason {
    case .notStarted(let why): "'\(command.executable)' could not be started: \(why)"
    case .exited(let status): "'\(command.executable)' exited with status \(status)"
    case .signalled(let signal): "'\(command.executable)' was killed by signal \(signal)"
    case .tooMuchOutput:
      "'\(command.executable)' printed more than \(SubprocessRunner.outputLimit) bytes or \(SubprocessRunner.lineLimit) lines"
    }
  }

  package var description: String {
    ([summary] + evidence.map { "  " + $0 }).joined(separator: "\n")
  }
}
