internal import CLinux
internal import Glibc

/// Starts a process that is not a step's command: the agent itself, and the shell for debugging.
enum ChildProcess {
  /// - Parameter terminal: a terminal that becomes the process's controlling terminal and its three streams.
  /// - Returns: the process; nil, with `errno` set, when it could not be started.
  static func start(
    _ path: String, _ arguments: [String], environment: [String], terminal: String? = nil
  ) -> pid_t? {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The threads of Swift's pool block all signals, and a child inherits that: no Ctrl-C would reach it.
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    var flags = Int16(POSIX_SPAWN_SETSIGMASK)
    if let terminal {
      // The first terminal that the leader of a session opens becomes its controlling terminal, and glibc
      // makes the session before it opens the files.
      flags |= slipway_POSIX_SPAWN_SETSID
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, terminal, O_RDWR, 0)
      posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
      posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
    }
    posix_spawnattr_setflags(&attributes, flags)
    var process: pid_t = 0
    let code = withCStrings(arguments) { arguments in
      withCStrings(environment) { environment in
        posix_spawn(&process, path, &actions, &attributes, arguments, environment)
      }
    }
    errno = code
    return code == 0 ? process : nil
  }

  /// Waits for a process to end. Blocks.
  static func wait(for process: pid_t) {
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1, errno == EINTR {}
  }
}

/// A NULL-terminated array of C strings, for as long as `body` runs.
private func withCStrings<Result>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  return body(copies + [nil])
}
