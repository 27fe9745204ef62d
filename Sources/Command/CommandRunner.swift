internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// The seam between code that decides which commands to run and the system that runs them.
package protocol CommandRunner: Sendable {
  /// Runs a command to its end.
  ///
  /// - Parameters:
  ///   - command: what to run.
  ///   - log: is given each line of both output streams as it appears.
  /// - Returns: what the command printed on standard output.
  /// - Throws: `CommandFailure` when it cannot start or does not exit with 0; `CancellationError` when the task
  ///   was cancelled, in which case the command is ended first.
  @discardableResult
  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String
}

extension CommandRunner {
  /// Runs a command whose output lines are of no interest unless it fails.
  @discardableResult
  package func run(_ command: Command) async throws -> String {
    try await run(command, log: { _ in })
  }

  /// Runs a command given by its words.
  @discardableResult
  package func run(_ executable: String, _ arguments: String...) async throws -> String {
    try await run(Command(executable, arguments))
  }
}

/// Runs commands as child processes.
package struct SubprocessRunner: CommandRunner {
  /// The most that a command may print on either stream, in bytes.
  package static let outputLimit = 4 << 20
  fileprivate static let tailLines = 20

  private let environment: Environment

  /// Whoever ends a command ends with it all that it has started. Not in a session of its own: by those
  /// `EmbeddedReaper` knows hypervisors.
  private static let platform: PlatformOptions = {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [
      .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)
    ]
    return options
  }()

  /// A runner whose commands inherit the environment.
  package init() {
    environment = .inherit
  }

  /// A runner whose commands see these variables and no others.
  package init(environment: [String: String]) {
    self.environment = .custom(environmentValues(environment))
  }

  package func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    let output = CommandOutput(log: log)
    func failure(_ reason: CommandFailure.Reason) -> CommandFailure {
      CommandFailure(command: command, reason: reason, tail: output.tail)
    }
    let status: TerminationStatus
    do {
      status = try await Subprocess.run(
        command.executable.contains("/") ? .path(FilePath(command.executable)) : .name(command.executable),
        arguments: Arguments(command.arguments),
        environment: environment.updating(environmentValues(command.environment)),
        workingDirectory: command.folder.map { FilePath($0) },
        platformOptions: Self.platform,
        input: .string(command.input), output: .sequence, error: .sequence
      ) { execution in
        let lines = execution.standardOutput.strings(bufferingPolicy: .maxLineLength(Self.outputLimit))
        let errorLines = execution.standardError.strings(bufferingPolicy: .maxLineLength(Self.outputLimit))
        async let noted: Void = { for try await line in errorLines { output.note(line) } }()
        for try await line in lines { try output.collect(line) }
        try await noted
      }.terminationStatus
    } catch is TooMuchOutput {
      throw failure(.tooMuchOutput)
    } catch let error as SubprocessError where error.code == .outputLimitExceeded {
      throw failure(.tooMuchOutput)
    } catch let error as SubprocessError {
      try Task.checkCancellation()
      throw failure(.notStarted(error.description))
    }
    try Task.checkCancellation()
    switch status {
    case .exited(0): return output.collected
    case .exited(let code): throw failure(.exited(code))
    case .signaled(let signal): throw failure(.signalled(signal))
    }
  }
}

/// What a running command has printed so far.
private final class CommandOutput: Sendable {
  private struct Lines {
    var collected: [String] = []
    var bytes = 0
    var tail: [String] = []
  }

  private let lines = Mutex(Lines())
  private let log: @Sendable (String) -> Void

  init(log: @escaping @Sendable (String) -> Void) {
    self.log = log
  }

  var collected: String { lines.withLock { $0.collected.joined(separator: "\n") } }
  var tail: [String] { lines.withLock { $0.tail } }

  /// Keeps a line of standard output for the caller, and notes it.
  func collect(_ line: String) throws {
    try lines.withLock { lines in
      lines.bytes += line.utf8.count + 1
      guard lines.bytes <= SubprocessRunner.outputLimit else { throw TooMuchOutput() }
      lines.collected.append(line)
    }
    note(line)
  }

  /// Shows a line, and keeps it while it is among the last.
  func note(_ line: String) {
    lines.withLock { lines in
      if lines.tail.count == SubprocessRunner.tailLines { lines.tail.removeFirst() }
      lines.tail.append(line)
    }
    log(line)
  }
}

private struct TooMuchOutput: Error {}

private func environmentValues(_ variables: [String: String]) -> [Environment.Key: String] {
  variables.reduce(into: [:]) { $0[Environment.Key(stringLiteral: $1.key)] = $1.value }
}
