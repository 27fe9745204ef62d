internal import Basics
internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// A guest's console on this process's standard input and output.
struct GuestConsole {
  /// Ctrl-], as telnet and virsh have it.
  static let leaveKey: UInt8 = 0x1d

  /// How it ended.
  enum End: Hashable, Sendable {
    /// The person left.
    case left
    /// The guest's end of the line closed.
    case closed
  }

  private enum Ended: Sendable {
    case input(TerminalLink.End)
    case output(TerminalLink.End)
  }

  /// Joins them until the person leaves, or the guest ends. The end of an input that is no terminal ends nothing.
  ///
  /// - Parameters:
  ///   - announce: is called before the terminal is the guest's.
  ///   - rebooted: is called for each reset of the guest's, with the terminal as it was before.
  /// - Throws: `Fault` when the machine has no console, or standard output takes nothing; `CancellationError`.
  static func join(
    _ machine: Machine, announce: () -> Void, rebooted: @escaping @Sendable () -> Void
  ) async throws -> End {
    let stop = try StopSign()
    return try await machine.withLine(.console) { line in
      announce()
      let terminal = RawTerminal()
      defer { terminal.restore() }
      let watch = Task { for await _ in machine.reboots { terminal.suspended(rebooted) } }
      defer { watch.cancel() }
      let key = RawTerminal.isThere ? leaveKey : nil
      return try await withTaskCancellationHandler {
        try await withThrowingTaskGroup(of: Ended.self) { group in
          group.addTask {
            try await onThread {
              .output(TerminalLink.pump(from: line.rawValue, to: STDOUT_FILENO, until: stop))
            }
          }
          group.addTask {
            try await onThread {
              .input(TerminalLink.pump(from: STDIN_FILENO, to: line.rawValue, until: stop, leavingAt: key))
            }
          }
          // Both threads have ended when this returns: one that outlived the line could write to another file.
          defer { stop.raise() }
          while let ended = try await group.next() {
            try Task.checkCancellation()
            switch ended {
            case .input(.left): return .left
            case .output(.sourceEnded): return .closed
            case .output(.sinkEnded):
              throw Fault(.failed, "could not write the guest's console to standard output")
            case .input, .output: continue
            }
          }
          return .closed
        }
      } onCancel: {
        stop.raise()
      }
    }
  }
}
