internal import Glibc
package import SystemPackage

/// A system call that failed. Steps tell by the reason what an absent file, a busy mount or a full directory means there;
/// what is left becomes a `StepFailure`.
package struct SystemFailure: Error, Hashable, Sendable {
  /// What was attempted, to follow "cannot".
  package var attempt: String
  package var errno: Errno

  package init(_ attempt: String, _ errno: Errno) {
    self.attempt = attempt
    self.errno = errno
  }
}

extension SystemFailure: CustomStringConvertible {
  package var description: String { "cannot \(attempt): \(errno)" }
}

/// Makes a call that returns -1 and sets `errno` when it fails; made again when a signal interrupts it.
///
/// - Throws: `SystemFailure` with the call's `errno`.
@discardableResult
package func checked<Result: SignedInteger>(
  _ attempt: @autoclosure () -> String, _ call: () -> Result
) throws(SystemFailure) -> Result {
  while true {
    let result = call()
    guard result == -1 else { return result }
    let code = Errno(rawValue: errno)
    guard code == .interrupted else { throw SystemFailure(attempt(), code) }
  }
}
