public struct FirmwarePair: Hashable, Codable, Sendable {
  public var code: String
  public var variablesTemplate: String
  public var requiresSMM: Bool
  public var secureBoot: Bool
  public init(code: String, variablesTemplate: String, requiresSMM: Bool, secureBoot: Bool) {
    self.code = code
    self.variablesTemplate = variablesTemplate
    self.requiresSMM = requiresSMM
    self.secureBoot = secureBoot
  }
}
