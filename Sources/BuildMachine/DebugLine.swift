internal import Basics
internal import Glibc
package import SystemPackage

extension Machine {
  /// Connects to the guest's second serial line for the time of `body`.
  ///
  /// - Throws: what `body` throws; `Fault` when the domain has no second serial line.
  package func withDebugLine<Result>(_ body: (FileDescriptor) async throws -> Result) async throws -> Result {
    let line: FileDescriptor
    do {
      line = try UnixSocket.connect(to: session.debugSocket)
    } catch {
      throw Fault(
        .failed, "could not reach the guest's second serial line", cause: String(describing: error),
        remedy: "The domain needs a second serial port, a Unix socket at {{debugSocket}}")
    }
    defer {
      // A thread that reads the line comes back.
      shutdown(line.rawValue, Int32(SHUT_RDWR))
      try? line.close()
    }
    return try await body(line)
  }
}
