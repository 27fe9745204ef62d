package import ImageModel

/// What names a variable: its vendor's GUID, and a name that is unique there (UEFI 2.10, 8.2.1).
package struct VariableKey: Hashable, Sendable {
  package var vendor: GUID
  package var name: VariableName

  package init(_ vendor: GUID, _ name: VariableName) {
    self.vendor = vendor
    self.name = name
  }

  /// A key from plain text; nil when the name cannot be one.
  package init?(_ vendor: GUID, _ name: String) {
    guard let name = VariableName(name) else { return nil }
    self.init(vendor, name)
  }
}

extension VariableKey: Comparable {
  /// By vendor, in the order of the text form, then by name: the order of the canonical form.
  package static func < (one: VariableKey, other: VariableKey) -> Bool {
    if one.vendor != other.vendor { return one.vendor.bytes.lexicographicallyPrecedes(other.vendor.bytes) }
    return one.name.units.lexicographicallyPrecedes(other.name.units)
  }
}

extension VariableKey: CustomStringConvertible {
  /// As efivarfs names its files.
  package var description: String { "\(name)-\(vendor)" }
}

/// The name of a variable: UTF-16 without a NUL, and not empty.
///
/// Not a `String`: two of those are equal when they look the same, while the firmware compares code units.
package struct VariableName: Hashable, Sendable {
  package let units: [UInt16]

  /// Nil when it is empty, holds a NUL, or has a surrogate that stands alone.
  package init?(units: [UInt16]) {
    guard !units.isEmpty, !units.contains(0), String(exactly: units) != nil else { return nil }
    self.units = units
  }

  /// Nil when it is empty or holds a NUL.
  package init?(_ text: String) {
    self.init(units: Array(text.utf16))
  }

  /// A name that stands in this module's source, with digits that it makes itself.
  init(known name: StaticString, digits: String = "") {
    units = Array((name.description + digits).utf16)
  }
}

extension VariableName: CustomStringConvertible {
  package var description: String { String(decoding: units, as: UTF16.self) }
}
