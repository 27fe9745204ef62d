package import SystemPackage

/// A system call on a path that failed: what was attempted, on what, and why.
package struct PathFailure: Error, Hashable, Sendable {
  /// What was attempted, after "could not", such as "remove".
  package var attempt: String
  /// The path that it was attempted on.
  package var path: FilePath
  /// Why it failed.
  package var reason: Errno

  package init(_ attempt: String, _ path: FilePath, _ reason: Errno) {
    self.attempt = attempt
    self.path = path
    self.reason = reason
  }
}

extension PathFailure: CustomStringConvertible {
  package var description: String { "could not \(attempt) \(path): \(reason)" }
}
