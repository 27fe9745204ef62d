/// What runs a guest's processors on this machine, and why.
public struct Accelerator: Hashable, Codable, Sendable {
  /// The two that QEMU offers on Linux.
  public enum Kind: String, Codable, Sendable {
    /// The processor itself, through `/dev/kvm`.
    case kvm
    /// QEMU's translator.
    case tcg
  }

  /// Which of the two.
  public var kind: Kind
  /// Why, in one line for people.
  public var reason: String

  /// Wraps a verdict.
  public init(kind: Kind, reason: String) {
    self.kind = kind
    self.reason = reason
  }
}
