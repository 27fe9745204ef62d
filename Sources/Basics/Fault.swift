/// Why something was not done: the one error for people, from the place where it is noticed to the exit code.
public struct Fault: Error, Hashable, Sendable {
  /// Who must act.
  public enum Kind: Hashable, Sendable {
    /// Whoever made the request: a spec, a path, a closure.
    case badInput
    /// Whoever runs this machine: a tool, a permission.
    case hostNotAble
    /// Nobody in particular: what was attempted went wrong.
    case failed
  }

  /// Who must act.
  public var kind: Kind
  /// What could not be done, such as "could not read the file"; nil where the cause says it.
  public var failure: String?
  /// Why it failed; the first known cause.
  public var cause: String
  /// What to do about it; nil when the cause says all there is.
  public var remedy: String?
  /// The failed command with its last lines, or the guest's last lines.
  public var evidence: [String]
  /// The file with the whole output of a build that failed; nil when none is kept.
  public var log: String?

  /// Describes a failure in one sentence.
  public init(_ kind: Kind, _ message: String, remedy: String? = nil, evidence: [String] = []) {
    self.kind = kind
    cause = message
    self.remedy = remedy
    self.evidence = evidence
  }

  /// Describes a failure by what could not be done, and why.
  public init(
    _ kind: Kind, _ failure: String, cause: String, remedy: String? = nil, evidence: [String] = []
  ) {
    self.kind = kind
    self.failure = failure
    self.cause = cause
    self.remedy = remedy
    self.evidence = evidence
  }
}

extension Fault: CustomStringConvertible {
  /// What could not be done and why.
  public var message: String { failure.map { "\($0): \(cause)" } ?? cause }

  /// The message first, then what to do, then the evidence, and where all of it is.
  public var lines: [String] {
    [message] + [remedy].compactMap(\.self) + evidence.map { "  " + $0 }
      + [log.map { "The whole output is in \($0)" }].compactMap(\.self)
  }

  /// The lines in one text.
  public var description: String { lines.joined(separator: "\n") }
}
