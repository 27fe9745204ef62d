/// Why an image was not built or not verified.
public struct BuildError: Error, Hashable, Sendable {
  /// Whose turn it is to change something.
  public enum Kind: Hashable, Sendable {
    /// The request: a spec, a path, a closure.
    case badInput
    /// This machine: a tool, a permission.
    case hostNotAble
    /// The build itself failed.
    case failed
  }

  /// Whose turn it is.
  public var kind: Kind
  /// What was attempted and why it failed.
  public var message: String
  /// What to do about it; nil when the message says all there is.
  public var remedy: String?
  /// The failed command with its last lines, or the guest's last lines.
  public var details: [String]
  /// The file with the whole output of the build that failed; nil when none is kept.
  public var log: String?

  /// Describes a failure.
  public init(_ kind: Kind, _ message: String, remedy: String? = nil, details: [String] = []) {
    self.kind = kind
    self.message = message
    self.remedy = remedy
    self.details = details
  }
}

extension BuildError: CustomStringConvertible {
  /// The cause first, then what to do, then the evidence, and where all of it is.
  public var lines: [String] {
    [message] + [remedy].compactMap(\.self) + details.map { "  " + $0 }
      + [log.map { "The whole output is in \($0)" }].compactMap(\.self)
  }

  /// The lines in one text.
  public var description: String { lines.joined(separator: "\n") }
}
