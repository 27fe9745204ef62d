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
      let shellIsUp = DispatchSemaphore(value: 0)
      Thread.detachNewThread { pump(from: number, to: STDOUT_FILENO) { shellIsUp.signal() } }
      Thread.detachNewThread {
        // What arrives before the shell has opened its line is lost.
        shellIsUp.wait()
        pump(from: STDIN_FILENO, to: number)
        // The end of a script ends the shell. Not by Ctrl-D: the terminal drops it while a command runs.
        _ = "\nexit\n".utf8.withContiguousStorageIfAvailable { write(number, $0.baseAddress, $0.count) }
      }
      try await agent.debugShell()
    }
  }

  /// Copies bytes until either side ends, and tells when the first have come. Blocks its thread.
  private static func pump(from source: Int32, to sink: Int32, onFirst: () -> Void = {}) {
    var isFirst = true
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
    defer { buffer.deallocate() }
    while case let count = read(source, buffer.baseAddress, buffer.count), count > 0 {
      if isFirst { onFirst() }
      isFirst = false
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
