/// In which form the EFI variable store of an image is exported.
public enum VariablesForm: String, Codable, Sendable, CaseIterable {
  /// Equal variables make equal bytes, whatever the firmware did to get there.
  case canonical
  /// The firmware's own bytes.
  case raw
}
