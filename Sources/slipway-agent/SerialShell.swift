internal import AgentProtocol
internal import Basics
internal import Glibc
internal import InstallSteps

/// A shell for a person, on the guest's second serial line.
enum SerialShell {
  private static let terminal = Architecture.current.secondTerminal

  /// The end of a session's leader hangs its line up, and what is still to be sent is lost. So the leader is not
  /// the shell; it waits until all is sent, which `stty` does before it changes anything. The signal would stop
  /// it, should the shell have left the line to another group.
  private static let session = "trap '' TTOU; sh -l; stty sane"

  /// Waits until the person leaves the shell.
  static func run() async throws(StepFailure) {
    do {
      try await onThread {
        let environment = [
          "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=vt102", "PS1=slipway:\\w# ",
        ]
        guard
          let shell = ChildProcess.start(
            "/bin/sh", ["sh", "-c", session], environment: environment, terminal: terminal)
        else {
          let reason = String(cString: strerror(errno))
          throw StepFailure(message: "no shell could be started on \(terminal): \(reason)")
        }
        ChildProcess.wait(for: shell)
      }
    } catch {
      throw error as? StepFailure ?? StepFailure(message: "no shell could be started: \(error)")
    }
  }
}
