internal import FoundationEssentials

/// The formats of hypervisors that keep the variables themselves, outside of any flash.
package enum HypervisorFormat: String, CaseIterable, Sendable {
  /// `UefiData` of EC2's API, see `AWSVariables`.
  case aws
  /// The file of QEMU's device `uefi-vars`, see `VariablesJSON`.
  case qemuJSON = "qemu-json"

  /// Tells the format by a file's content; nil for neither. What follows the beginning may be damaged.
  package init?(of bytes: [UInt8]) {
    let start = bytes.drop { " \t\r\n".utf8.contains($0) }
    if start.first == UInt8(ascii: "{") {
      self = .qemuJSON
    } else if start.starts(with: "QU1aTlVFRk".utf8) {
      // "AMZNUEFI" in base64, but for its last letter, which the next byte shares.
      self = .aws
    } else {
      return nil
    }
  }

  /// The bytes of a file with the variables.
  ///
  /// - Parameter dictionary: AWS's preset dictionary; nil to compress without one.
  /// - Throws: `EFIFault` for a variable of which the format would lose something that counts.
  package func encode(_ variables: [Variable], dictionary: [UInt8]? = nil) throws -> [UInt8] {
    for variable in variables { try check(variable) }
    switch self {
    case .aws: return try AWSVariables.encode(variables, dictionary: dictionary)
    case .qemuJSON:
      // QEMU refuses a file with a field that it does not know.
      let known = variables.map { Variable($0.key, $0.attributes, $0.data, time: $0.time) }
      return try Array(VariablesJSON.encode(known))
    }
  }

  private func check(_ variable: Variable) throws(EFIFault) {
    let key = variable.key
    // An empty database has its own size, and nothing else.
    if key == .certificates, variable.data.count > 4 {
      throw EFIFault(
        at: 0,
        "\(key) binds variables to the certificates of their signers, and each store does that in a way of its own"
      )
    }
    let isCounted = variable.monotonicCount != 0 || variable.publicKeyIndex != 0
    if variable.attributes.contains(.authenticatedWriteAccess), isCounted {
      throw EFIFault(
        at: 0, "\(key) has a count or a key of the deprecated authentication, and the format neither")
    }
    if self == .qemuJSON, !key.name.units.allSatisfy({ $0 < 0x80 }) {
      throw EFIFault(at: 0, "the name \(key.name) is not ASCII, and QEMU has no others")
    }
  }

  /// What is wrong with a variable that only the signer of its first value may change.
  static func boundToSigner(_ key: VariableKey) -> String {
    "\(key) is bound to the certificate of its signer, and each store does that in a way of its own"
  }
}
