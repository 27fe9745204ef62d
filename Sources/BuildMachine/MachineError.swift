/// Why a session with a machine failed.
package struct MachineError: Error, Hashable, Sendable {
  /// Whose fault it is.
  package enum Kind: Hashable, Sendable {
    /// This host cannot run the machine.
    case hostNotAble
    /// The guest died, hung, misbehaved or reported a failed step.
    case failed
  }

  package var kind: Kind
  /// What was attempted, as the end of "could not …".
  package var attempt: String
  /// Why it failed; the first known cause.
  package var cause: String
  /// What to do; nil when the cause says all there is.
  package var remedy: String?
  /// The failed command with its last lines, or the guest's last lines. Escaped.
  package var evidence: [String]

  package init(
    _ kind: Kind, attempt: String, cause: String, remedy: String? = nil, evidence: [String] = []
  ) {
    self.kind = kind
    self.attempt = attempt
    self.cause = cause
    self.remedy = remedy
    self.evidence = evidence
  }
}

extension MachineError: CustomStringConvertible {
  package var description: String {
    var lines = ["could not \(attempt): \(cause)"]
    if let remedy { lines.append(remedy) }
    return (lines + evidence.map { "  | \($0)" }).joined(separator: "\n")
  }
}
