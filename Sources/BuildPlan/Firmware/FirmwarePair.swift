/// UEFI code and the template of the variable store that goes with it.
public struct FirmwarePair: Hashable, Codable, Sendable {
  /// The read-only code, a flash image: raw or qcow2.
  public var code: String
  /// What each new variable store is a copy of, a flash image: raw or qcow2.
  public var variablesTemplate: String
  /// Whether the code hangs without system management mode (SMM), silently, as Secure Boot builds do.
  public var requiresSMM: Bool
  /// Whether the code implements Secure Boot.
  public var secureBoot: Bool
  /// Whether the template has Secure Boot turned on, so that only signed bootloaders run; false when that
  /// is not known.
  public var enrolledKeys: Bool
  /// What it is, for people: the descriptor's words, or what was assumed without one.
  public var description: String

  /// Describes a pair.
  public init(
    code: String, variablesTemplate: String, requiresSMM: Bool, secureBoot: Bool,
    enrolledKeys: Bool = false, description: String = ""
  ) {
    self.code = code
    self.variablesTemplate = variablesTemplate
    self.requiresSMM = requiresSMM
    self.secureBoot = secureBoot
    self.enrolledKeys = enrolledKeys
    self.description = description
  }
}
