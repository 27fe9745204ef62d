internal import ImageModel

extension VariableStore {
  /// The store without what its firmware makes again at its next boot: consoles, hot keys, iSCSI attempts, caches,
  /// its own boot entries, and what has the firmware's own default.
  package func withoutFirmwareVariables() -> VariableStore {
    let dropped = Set(variables.filter(\.isRemadeByFirmware).compactMap(\.key.bootNumber))
    var store = self
    store.deleteAll(where: \.isRemadeByFirmware)
    guard let order = try? bootOrder() else { return store }
    let kept = order.filter { !dropped.contains($0) }
    guard kept != order else { return store }
    if kept.isEmpty {
      store.delete(.bootOrder)
    } else {
      store.replace(Variable(.bootOrder, .standard, VariableValue.order(kept).data))
    }
    return store
  }
}

extension Variable {
  /// Whether OVMF makes the variable again, with this value or one of the moment, when it is not there.
  package var isRemadeByFirmware: Bool {
    if key.isRemadeByFirmware { return true }
    // Of these only the default is: another language, say, is somebody's choice.
    if let defaults = VariableKey.firmwareDefaults[key] { return defaults.contains(data) }
    guard key.bootNumber != nil, case .loadOption(let option) = try? VariableValue(of: self) else {
      return false
    }
    return option.isMadeByFirmware
  }
}

extension LoadOption {
  /// Whether the firmware made it by itself: from a device that it found, or for a program that it holds.
  package var isMadeByFirmware: Bool {
    if optionalData == Self.automaticMark.littleEndianBytes { return true }
    return paths.first?.nodes.contains { if case .firmwareFile = $0 { true } else { false } } ?? false
  }

  /// `mBmAutoCreateBootOptionGuid` of edk2's `MdeModulePkg/Library/UefiBootManagerLib/BmBoot.c`.
  private static let automaticMark = GUID(high: 0x8108_ac4e_9f11_4d59, low: 0x850e_e21a_522c_59b2)
}

extension VariableKey {
  /// Values that the firmware gives to a variable which is not there: languages, and of
  /// `SecurityPkg/Library/AuthVariableLib` an empty database of certificates, keys that the vendor's are valid, and
  /// the standard mode of Secure Boot.
  fileprivate static let firmwareDefaults: [VariableKey: [[UInt8]]] = [
    .lang: [Array("eng".utf8), Array("eng\0".utf8)], .platformLang: [Array("en".utf8), Array("en\0".utf8)],
    .certificates: [[4, 0, 0, 0]], .vendorKeys: [[1]], .customMode: [[0]],
  ]
  /// Which certificates may change the variables that no key of Secure Boot's may.
  static let certificates = VariableKey(
    GUID(high: 0xd9be_e56e_75dc_49d9, low: 0xb4d7_b534_210f_637a), VariableName(known: "certdb"))
  private static let vendorKeys = VariableKey(
    GUID(high: 0x9073_e4e0_60ec_4b6e, low: 0x9903_4c22_3c26_0f3c), VariableName(known: "VendorKeysNv"))
  private static let legacyDevicePaths = GUID(high: 0xfab7_e9e1_39dd_4f2b, low: 0x8408_e20e_906c_b6de)
  private static let memoryTypes = GUID(high: 0x4c19_049f_4137_4dd3, low: 0x9c10_8b97_a83f_fdfa)
  private static let iscsi = GUID(high: 0x5932_4945_ec44_4c0d, low: 0xb1cd_9db1_39df_070c)
  private static let iscsiOrder = GUID(high: 0x4b47_d616_a8d6_4552, low: 0x9d44_ccad_2e0f_4cf9)

  /// Whether OVMF makes the variable again whatever it held: consoles, hot keys, iSCSI attempts, caches, and the
  /// time that its menu waits, which QEMU says.
  package var isRemadeByFirmware: Bool {
    let name = name.description
    switch vendor {
    case .globalVariable:
      return ["ConIn", "ConOut", "ErrOut", "Timeout"].contains(name) || number(after: "Key") != nil
    case Self.legacyDevicePaths: return name == "HDDP"
    case Self.memoryTypes: return name == "MemoryTypeInformation"
    case Self.iscsi: return name.hasPrefix("Attempt ")
    case Self.iscsiOrder: return name == "InitialAttemptOrder"
    default: return self == .monotonicCounter || self == .errorFlag
    }
  }
}
