internal import Basics
package import ImageModel

extension GUID {
  /// EFI_GLOBAL_VARIABLE (UEFI 2.10, 3.3).
  package static let globalVariable = GUID(high: 0x8be4_df61_93ca_11d2, low: 0xaa0d_00e0_9803_2b8c)
  /// EFI_IMAGE_SECURITY_DATABASE_GUID (UEFI 2.10, 32.6.1).
  package static let imageSecurityDatabase = GUID(high: 0xd719_b2cb_3d3a_4596, low: 0xa3bc_dad0_0e67_656f)
  /// The vendor of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE).
  package static let bootLoader = GUID(high: 0x4a67_b082_0a4c_41cf, low: 0xb6c7_440b_29bb_8c4f)
}

extension VariableKey {
  package static let bootOrder = global("BootOrder")
  package static let bootNext = global("BootNext")
  package static let driverOrder = global("DriverOrder")
  package static let timeout = global("Timeout")
  package static let lang = global("Lang")
  package static let platformLang = global("PlatformLang")
  package static let osIndications = global("OsIndications")
  package static let secureBoot = global("SecureBoot")
  package static let setupMode = global("SetupMode")
  package static let platformKey = global("PK")
  package static let keyExchangeKeys = global("KEK")
  package static let signatures = VariableKey(.imageSecurityDatabase, VariableName(known: "db"))
  package static let forbiddenSignatures = VariableKey(.imageSecurityDatabase, VariableName(known: "dbx"))
  package static let loaderEntryOneShot = loader("LoaderEntryOneShot")
  package static let loaderEntryDefault = loader("LoaderEntryDefault")
  package static let loaderDevicePartition = loader("LoaderDevicePartUUID")

  /// `Boot####`.
  package static func boot(_ number: UInt16) -> VariableKey { global("Boot", fourDigits(number)) }
  /// `Driver####`.
  package static func driver(_ number: UInt16) -> VariableKey { global("Driver", fourDigits(number)) }

  /// The number of a `Boot####` of the global vendor.
  package var bootNumber: UInt16? { vendor == .globalVariable ? number(after: "Boot") : nil }

  /// The number of a name such as `Boot001A`: exactly four digits, upper case (UEFI 2.10, 3.1.1).
  func number(after prefix: String) -> UInt16? {
    let name = name.description
    guard name.hasPrefix(prefix) else { return nil }
    let digits = name.dropFirst(prefix.count)
    guard let number = UInt16(digits, radix: 16), Self.fourDigits(number) == digits else { return nil }
    return number
  }

  /// Four hexadecimal digits in either case.
  static func number(digits: Substring) -> UInt16? {
    guard digits.utf8.count == 4, digits.utf8.first != UInt8(ascii: "+") else { return nil }
    return UInt16(digits, radix: 16)
  }

  private static func global(_ name: StaticString, _ digits: String = "") -> VariableKey {
    VariableKey(.globalVariable, VariableName(known: name, digits: digits))
  }

  private static func loader(_ name: StaticString) -> VariableKey {
    VariableKey(.bootLoader, VariableName(known: name))
  }

  /// A load option's number as names and lists have it.
  package static func fourDigits(_ number: UInt16) -> String {
    Hexadecimal.text(number.bigEndianBytes).uppercased()
  }
}
