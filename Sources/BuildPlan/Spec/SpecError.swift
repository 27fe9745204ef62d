package import Basics

/// Something in an image spec that cannot be built. Found before any VM starts.
///
/// It is no `Fault`, as it names the key, which the pure readers and rules know and nobody after them.
public struct SpecError: Error, Hashable, Sendable {
  /// The spec's key that is at fault.
  public var key: String
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  /// Describes a fault of one key.
  public init(_ key: String, _ message: String, remedy: String) {
    self.key = key
    self.message = message
    self.remedy = remedy
  }

  /// Names the key whose value led to a fault.
  package init(_ key: String, _ fault: Fault) {
    self.init(key, fault.message, remedy: fault.remedy ?? "Check the value")
  }
}

extension SpecError: CustomStringConvertible {
  /// The key, the fault and the remedy, in one line.
  public var description: String {
    "\(key): \(message). \(remedy)"
  }
}
