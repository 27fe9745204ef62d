import Command
import Synchronization

/// Answers commands from a script, and remembers them.
final class ScriptedRunner: CommandRunner {
  private let script: @Sendable (Command) async throws -> String
  private let seen = Mutex<[Command]>([])

  init(
    _ script: @escaping @Sendable (Command) async throws -> String = { command in
      throw CommandFailure(command: command, reason: .notStarted("not in the script"), tail: [])
    }
  ) {
    self.script = script
  }

  var commands: [Command] { seen.withLock { $0 } }

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    seen.withLock { $0.append(command) }
    return try await script(command)
  }
}
