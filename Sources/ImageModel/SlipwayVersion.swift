/// The version of Slipway, the same on both sides of the agent's port.
public enum SlipwayVersion {
  /// As semantic versioning writes it.
  public static let current = "0.1.0"
  /// With the name, for handshakes, manifests and messages.
  public static let named = "slipway \(current)"
}
