internal import Basics
internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// A person's shell in the guest, over its second serial line.
enum DebugShell {
  /// Joins this process's standard input and output with a shell in the guest, until the shell ends.
  static func open(_ agent: AgentClient, _ machine: Machine, _ recorder: StepRecorder) async throws {
    recorder.warn("a shell in the guest follows, with the target at /mnt/target; leave it with 'exit'")
    let terminal = RawTerminal()
    defer { terminal.restore() }
    try await machine.withLine(.debug) { line in
      try await withPumps(line.rawValue) {
        try await agent.debugShell()
        try await waitUntilRead(line.rawValue)
      }
    }
  }

  /// Joins the streams while `body` runs. Both threads have ended when it returns: a thread that outlived the line
  /// could write to a descriptor that is another file's by then.
  private static func withPumps(_ line: Int32, _ body: () async throws -> Void) async throws {
    let stop = try StopSign()
    let prompted = DispatchSemaphore(value: 0)
    let output = Task {
      try await onThread {
        var greeting: [UInt8]? = []
        TerminalLink.pump(from: line, to: STDOUT_FILENO, until: stop) { bytes in
          greeting?.append(contentsOf: bytes)
          guard greeting?.contains(prompt) == true else { return }
          greeting = nil
          prompted.signal()
        }
        // Without a shell there is nothing to wait for.
        prompted.signal()
      }
    }
    let input = Task {
      try await onThread {
        // What arrives before the shell reads its line is lost; its greeting comes too early to tell.
        prompted.wait()
        TerminalLink.pump(from: STDIN_FILENO, to: line, until: stop)
        // The end of a script ends the shell. Not by Ctrl-D: the terminal drops it while a command runs.
        TerminalLink.write("\nexit\n".utf8, to: line, until: stop)
      }
    }
    let result: Result<Void, any Error>
    do {
      result = .success(try await body())
    } catch {
      result = .failure(error)
    }
    stop.raise()
    _ = await output.result
    _ = await input.result
    try result.get()
  }

  /// Waits until the last of the output has been taken from the line.
  private static func waitUntilRead(_ line: Int32) async throws {
    for _ in 0..<100 {
      var unread: CInt = 0
      guard ioctl(line, UInt(FIONREAD), &unread) == 0, unread > 0 else { return }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// How the agent's shell ends its prompt (`PS1`).
  private static let prompt = Array("# ".utf8)
}
