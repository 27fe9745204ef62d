internal import Foundation
package import Glibc
internal import Synchronization
package import SystemPackage

/// A process that runs beside a test. Foundation's cannot be started where a process has a thousand files open, as that of the
/// unit tests has at times.
package final class SpawnedProcess: Sendable {
  package let identifier: pid_t
  /// As waitpid(2) gives it; nil while it runs.
  private let status = Mutex<Int32?>(nil)

  /// Starts a program of `PATH`.
  ///
  /// - Parameter output: where its standard output goes; nil for the test's own.
  /// - Throws: `Errno`.
  package init(_ words: [String], output: FilePath? = nil) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let output {
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.string, O_WRONLY | O_CREAT, 0o600)
    }
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let error = posix_spawnp(&process, words[0], &actions, nil, &arguments, environ)
    guard error == 0 else { throw Errno(rawValue: error) }
    identifier = process
    // It is no zombie for longer than it has to be: what kills it may wait until it is gone.
    Thread.detachNewThread { [self] in
      var found: Int32 = 0
      while waitpid(identifier, &found, 0) < 0 && errno == EINTR {}
      status.withLock { [found] in $0 = found }
    }
  }

  package var isRunning: Bool { status.withLock { $0 == nil } }

  /// Asks it to end.
  package func terminate() { kill(identifier, SIGTERM) }

  /// Waits for its end.
  ///
  /// - Returns: the signal that ended it; nil for an exit.
  @discardableResult
  package func wait() -> Int32? {
    while true {
      if let status = status.withLock(\.self) { return status & 0x7f == 0 ? nil : status & 0x7f }
      usleep(10_000)
    }
  }
}
