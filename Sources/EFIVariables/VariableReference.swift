package import Basics
package import ImageModel

extension VariableKey {
  /// Finds out which variable a person means.
  ///
  /// `NAME-GUID` says it all, as does a vendor beside the name. A name alone means the one variable of that name in
  /// the store, else the one that a specification gives this name.
  ///
  /// - Throws: `Fault`.
  package init(
    _ text: String, vendor: GUID?, in store: VariableStore
  ) throws(Fault) {
    if let vendor {
      guard let key = VariableKey(vendor, text) else { throw Fault(unclear: "'\(text)' cannot be a name") }
      self = key
      return
    }
    if let key = Self.full(text) {
      self = key
      return
    }
    guard let name = VariableName(text) else { throw Fault(unclear: "'\(text)' cannot be a name") }
    let keys = store.variables.map(\.key).filter { $0.name == name }
    guard keys.count < 2 else {
      let vendors = keys.map(\.vendor.description).sorted().joined(separator: ", ")
      throw Fault(unclear: "several vendors have a variable \(printable(text)): \(vendors)")
    }
    guard let key = keys.first ?? Self.specified(name) else {
      throw Fault(
        unclear: "there is no variable \(printable(text)), and its vendor is not known by the name")
    }
    self = key
  }

  /// As efivarfs names its files.
  private static func full(_ text: String) -> VariableKey? {
    let guidLength = 36
    guard text.utf8.count > guidLength + 1, text.dropLast(guidLength).last == "-",
      let guid = GUID(String(text.suffix(guidLength)))
    else { return nil }
    return VariableKey(guid, String(text.dropLast(guidLength + 1)))
  }

  /// The variable that a specification gives this name.
  private static func specified(_ name: VariableName) -> VariableKey? {
    let own = [VariableKey.secureBootEnable, .customMode].first { $0.name == name }
    let vendors = [GUID.globalVariable, .imageSecurityDatabase, .bootLoader]
    return own ?? vendors.map { VariableKey($0, name) }.first { ValueKind($0) != .bytes }
  }

  /// What a variable gets that is new; those with a specification of their own as it says.
  package var usualAttributes: VariableAttributes {
    switch self {
    case .secureBootEnable, .customMode: [.nonVolatile, .bootServiceAccess]
    default: ValueKind(self) == .signatures ? .signatureDatabase : .standard
    }
  }

  /// The time that a new variable gets: databases of signatures have one.
  package var usualTime: EFITime { ValueKind(self) == .signatures ? SecureBootKeys.time : .zero }

  /// Whether it is a `Boot####` or of the same kind.
  package var isLoadOption: Bool { ValueKind(self) == .loadOption }
}

extension Fault {
  /// A name that means no variable or entry, or several.
  init(unclear message: String) {
    self.init(.badInput, message, remedy: "'slipway efivars show' lists what is there")
  }
}
