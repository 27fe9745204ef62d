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
    try await machine.withDebugLine { line in
      let number = line.rawValue
      let prompted = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        var greeting: [UInt8]? = []
        pump(from: number, to: STDOUT_FILENO) { bytes in
          greeting?.append(contentsOf: bytes)
          guard greeting?.contains(prompt) == true else { return }
          greeting = nil
          prompted.signal()
        }
        // Without a shell there is nothing to wait for.
        prompted.signal()
      }
      Thread.detachNewThread {
        // What arrives before the shell reads its line is lost; its greeting comes too early to tell.
        prompted.wait()
        pump(from: STDIN_FILENO, to: number)
        // The end of a script ends the shell. Not by Ctrl-D: the terminal drops it while a command runs.
        _ = "\nexit\n".utf8.withContiguousStorageIfAvailable { write(number, $0.baseAddress, $0.count) }
      }
      try await agent.debugShell()
      try await waitUntilRead(number)
    }
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

  /// Copies bytes until either side ends, and shows each piece to `seen`. Blocks its thread.
  private static func pump(
    from source: Int32, to sink: Int32, seen: (UnsafeRawBufferPointer) -> Void = { _ in }
  ) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
    defer { buffer.deallocate() }
    while case let count = read(source, buffer.baseAddress, buffer.count), count > 0 {
      seen(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      guard write(sink, buffer.baseAddress, count) == count else { return }
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
