package import SystemPackage

/// A system call on a path that failed: what was attempted, on what, and why. Whoever called tells by the reason what a
/// file's absence or a full filesystem means there.
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

extension Fault {
  /// A failed system call, with what to do where the reason tells it.
  ///
  /// - Parameter need: the bytes that were to be written.
  package init(_ failure: PathFailure, need: UInt64? = nil) {
    if failure.reason.isLackOfSpace {
      let full = FullFilesystem(of: failure.path, reason: failure.reason, need: need)
      self.init(
        .failed, "could not \(failure.attempt) \(failure.path)", cause: full.description, remedy: full.remedy)
    } else {
      let remedy = "Raise the limit of file sizes (ulimit -f), or use a filesystem that has files as large"
      self.init(.failed, "\(failure)", remedy: failure.reason == .fileTooLarge ? remedy : nil)
    }
  }
}
