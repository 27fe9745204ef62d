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
  /// The most that a command whose output is returned may print on both streams together, in bytes. Also the longest
  /// line of any command.
  package static let outputLimit = 4 << 20
  /// The most lines that it may print, empty ones included.
  package static let lineLimit = 1 << 17

  private let environment: Environment
  private let isMarked: Bool

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
  ///
  /// - Parameter isMarked: whether commands, and all that they start, carry `ProcessMark` in their environment.
  package init(isMarked: Bool = true) {
    environment = .inherit
    self.isMarked = isMarked
  }

  /// A runner whose commands see these variables and no others.
  package init(environment: [String: String]) {
    self.environment = .custom(environmentValues(environment))
    isMarked = true
  }

  package func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    let output = CommandOutput(isReturned: command.output == .returned, log: log)
    func failure(_ reason: CommandFailure.Reason, isNotFound: Bool = false) -> CommandFailure {
      CommandFailure(command: command, reason: reason, tail: output.excerpt, isNotFound: isNotFound)
    }
    let mark = isMarked ? [ProcessMark.variable: ProcessMark.value] : [:]
    let status: TerminationStatus
    do {
      status = try await Subprocess.run(
        command.executable.contains("/") ? .path(FilePath(command.executable)) : .name(command.executable),
        arguments: Arguments(command.arguments),
        environment: environment.updating(environmentValues(mark.merging(command.environment) { $1 })),
        workingDirectory: command.folder.map { FilePath($0) },
        platformOptions: Self.platform,
        input: .string(command.input), output: .sequence, error: .sequence
      ) { execution in
        let lines = execution.standardOutput.strings(bufferingPolicy: .maxLineLength(Self.outputLimit))
        let errorLines = execution.standardError.strings(bufferingPolicy: .maxLineLength(Self.outputLimit))
        // A command whose output is too long is killed, so that the reader of its other stream ends as well.
        @Sendable func killing(_ body: () async throws -> Void) async throws {
          do {
            try await body()
          } catch {
            try? execution.send(signal: .kill, toProcessGroup: true)
            throw error
          }
        }
        async let noted: Void = killing { for try await line in errorLines { try output.note(line) } }
        try await killing { for try await line in lines { try output.collect(line) } }
        try await noted
      }.terminationStatus
    } catch is TooMuchOutput {
      throw failure(.tooMuchOutput)
    } catch let error as SubprocessError where error.code == .outputLimitExceeded {
      throw failure(.tooMuchOutput)
    } catch let error as SubprocessError {
      try Task.checkCancellation()
      throw failure(.notStarted(error.description), isNotFound: error.code == .executableNotFound)
    }
    try Task.checkCancellation()
    switch status {
    case .exited(0): return output.collected
    // What `env` exits with when it does not find its command.
    case .exited(127) where command.executable == "env": throw failure(.exited(127), isNotFound: true)
    case .exited(let code): throw failure(.exited(code))
    case .signaled(let signal): throw failure(.signalled(signal))
    }
  }
}

/// What a running command has printed so far. What is kept is bounded by bytes and by lines, on both streams together.
private final class CommandOutput: Sendable {
  private struct Printed {
    var collected = ""
    var bytes = 0
    var lines = 0
    var excerpt = OutputExcerpt()
  }

  private let printed = Mutex(Printed())
  private let isReturned: Bool
  private let log: @Sendable (String) -> Void

  init(isReturned: Bool, log: @escaping @Sendable (String) -> Void) {
    self.isReturned = isReturned
    self.log = log
  }

  var collected: String { String(printed.withLock { $0.collected }.dropLast()) }
  var excerpt: [String] { printed.withLock { $0.excerpt.lines } }

  /// Keeps a line of standard output for the caller, and notes it.
  func collect(_ line: String) throws {
    try note(line)
    if isReturned { printed.withLock { $0.collected += line + "\n" } }
  }

  /// Shows a line, and keeps it while it is among the last.
  func note(_ line: String) throws {
    try printed.withLock { printed in
      if isReturned {
        printed.bytes += line.utf8.count + 1
        printed.lines += 1
        guard printed.bytes <= SubprocessRunner.outputLimit, printed.lines <= SubprocessRunner.lineLimit
        else { throw TooMuchOutput() }
      }
      printed.excerpt.append(line)
    }
    log(line)
  }
}

private struct TooMuchOutput: Error {}

private func environmentValues(_ variables: [String: String]) -> [Environment.Key: String] {
  variables.reduce(into: [:]) { $0[Environment.Key(stringLiteral: $1.key)] = $1.value }
}
