public struct Accelerator: Hashable, Codable, Sendable {
  public enum Kind: String, Codable, Sendable { case kvm, tcg }
  public var kind: Kind
  public var reason: String
}
