/// Why a store, a closure or what is made of them cannot be used.
package struct StoreError: Error, Hashable, Sendable {
  /// The kind of failure, for callers and tests that tell them apart.
  package enum Code: Hashable, Sendable {
    /// A path given by the user does not lead to one object of `/nix/store`.
    case notAStorePath
    /// The Nix database cannot be read, or is not one this version knows.
    case unreadableDatabase
    /// The Nix database does not list a path as valid.
    case notRegistered
    /// A `closureInfo` folder cannot be read or contradicts itself.
    case malformedRegistration
    /// A registered path, or something in it, is not there or cannot be read.
    case missing
    /// A path on disk is not what was registered.
    case damaged
    /// A path refers to one that the closure does not have.
    case incompleteClosure
    /// The system lacks something that every NixOS system has.
    case notASystem
    /// The target's Nix database could not be written.
    case unwritableDatabase
  }

  package var code: Code
  /// What was attempted, after "cannot".
  package var attempt: String
  /// Why it failed.
  package var reason: String
  /// What to do about it; empty when the reason says it all.
  package var remedy: String

  package init(_ code: Code, attempt: String, reason: String, remedy: String = "") {
    self.code = code
    self.attempt = attempt
    self.reason = reason
    self.remedy = remedy
  }
}

extension StoreError: CustomStringConvertible {
  package var description: String {
    "cannot \(attempt): \(reason)" + (remedy.isEmpty ? "" : "\n  \(remedy)")
  }
}

/// Everything that is wrong with a closure, so that one run shows all of it.
package struct InvalidClosure: Error, Hashable, Sendable, CustomStringConvertible {
  /// In the closure's order; never empty.
  package var problems: [StoreError]

  /// The first ten problems in full, each with what to do on a line of its own, and the number of the others.
  package var lines: [String] {
    let shown = problems.prefix(10).flatMap { problem in
      ["cannot \(problem.attempt): \(problem.reason)"]
        + (problem.remedy.isEmpty ? [] : ["  " + problem.remedy])
    }
    let hidden = problems.count - 10
    return shown + (hidden > 0 ? ["… and \(hidden) more problems"] : [])
  }

  package var description: String { lines.joined(separator: "\n") }
}
