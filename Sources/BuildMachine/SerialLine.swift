internal import Basics
internal import Glibc
package import SystemPackage

/// A serial line of a guest that can be written to.
package enum SerialLine: Sendable {
  /// The first one: its console.
  case console
  /// The second one, for a person's shell.
  case debug

  fileprivate var name: String { self == .console ? "console" : "second serial line" }

  fileprivate func socket(of session: MachineSession) -> FilePath {
    self == .console ? session.consoleSocket : session.debugSocket
  }

  fileprivate var remedy: String {
    self == .console
      ? "The domain needs a first serial port, a Unix socket at {{consoleSocket}} with a log at {{consoleLog}}"
      : "The domain needs a second serial port, a Unix socket at {{debugSocket}}"
  }
}

extension Machine {
  /// Connects to a serial line for the time of `body`. What comes from the guest has to be read meanwhile, or it stops.
  ///
  /// - Throws: what `body` throws; `Fault` when the domain has no such line.
  package func withLine<Result>(
    _ line: SerialLine, _ body: (FileDescriptor) async throws -> Result
  ) async throws -> Result {
    let file: FileDescriptor
    do {
      file = try UnixSocket.connect(to: line.socket(of: session))
    } catch {
      throw Fault(
        .failed, "could not reach the guest's \(line.name)", cause: String(describing: error),
        remedy: line.remedy)
    }
    defer {
      // A thread that reads the line comes back.
      shutdown(file.rawValue, Int32(SHUT_RDWR))
      try? file.close()
    }
    return try await body(file)
  }
}
