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
        pump(from: line, to: STDOUT_FILENO, until: stop) { bytes in
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
        pump(from: STDIN_FILENO, to: line, until: stop)
        // The end of a script ends the shell. Not by Ctrl-D: the terminal drops it while a command runs.
        write("\nexit\n".utf8, to: line, until: stop)
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

  /// Copies bytes until either side ends or the sign is raised, and shows each piece to `seen`. Blocks its thread.
  static func pump(
    from source: Int32, to sink: Int32, until stop: StopSign, seen: (ArraySlice<UInt8>) -> Void = { _ in }
  ) {
    // What a pipe that poll(2) calls writable takes without blocking (PIPE_BUF).
    var buffer = [UInt8](repeating: 0, count: 4096)
    while stop.wait(for: source, POLLIN) {
      let count = read(source, &buffer, buffer.count)
      guard count > 0 else { return }
      seen(buffer[..<count])
      guard write(buffer[..<count], to: sink, until: stop) else { return }
    }
  }

  /// - Returns: whether all was written.
  @discardableResult
  private static func write(_ bytes: some Sequence<UInt8>, to sink: Int32, until stop: StopSign) -> Bool {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      guard stop.wait(for: sink, POLLOUT) else { return false }
      let count = rest.withUnsafeBytes { Foundation.write(sink, $0.baseAddress, $0.count) }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}

/// Ends the waits of threads, once it is raised: a pipe that has a byte in it then.
final class StopSign: Sendable {
  private let reading: Int32
  private let writing: Int32

  /// - Throws: `Errno` when the process has no descriptor left.
  init() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
    (reading, writing) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  deinit {
    close(reading)
    close(writing)
  }

  func raise() {
    _ = Foundation.write(writing, [0], 1)
  }

  /// Waits until a descriptor is ready, or has ended.
  ///
  /// - Returns: false when the sign is raised first.
  func wait(for descriptor: Int32, _ event: Int32) -> Bool {
    while true {
      var requests = [
        pollfd(fd: descriptor, events: Int16(event), revents: 0),
        pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&requests, 2, -1)
      if ready < 0, errno == EINTR { continue }
      // What was read already is still written where that does not block.
      if event == POLLOUT, ready > 0, requests[0].revents != 0 { return true }
      return ready > 0 && requests[1].revents == 0
    }
  }
}

/// A terminal that hands on every key, Ctrl-C included: it belongs to the guest.
private struct RawTerminal {
  private let settings: termios?

  init() {
    var current = termios()
    guard tcgetattr(STDIN_FILENO, &current) == 0 else {
      settings = nil
      return
    }
    settings = current
    cfmakeraw(&current)
    tcsetattr(STDIN_FILENO, TCSADRAIN, &current)
  }

  func restore() {
    guard var settings else { return }
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
  }
}
