package import ImageModel

/// The keys with which a firmware decides what it may start (UEFI 2.10, 32.3).
package struct SecureBootKeys: Hashable, Sendable {
  /// PK: whoever has its private key decides on the others. Exactly one certificate.
  package var platformKey: Certificate
  /// KEK: who may change db and dbx.
  package var keyExchangeKeys: [SignatureList]
  /// db: what may be started.
  package var signatures: [SignatureList]
  /// dbx: what may not be started, whatever db says.
  package var forbiddenSignatures: [SignatureList]

  package init(
    platformKey: Certificate, keyExchangeKeys: [SignatureList], signatures: [SignatureList],
    forbiddenSignatures: [SignatureList] = []
  ) {
    self.platformKey = platformKey
    self.keyExchangeKeys = keyExchangeKeys
    self.signatures = signatures
    self.forbiddenSignatures = forbiddenSignatures
  }

  /// The owner of signatures that nobody else claims.
  package static let owner = GUID(high: 0x6c1f_8f2e_5d0b_4c53, low: 0x9a3e_0b71_d54c_2a98)

  /// The time that the variables get.
  ///
  /// A firmware takes a signed update only when it is younger than the variable, so this is old; and it is always the
  /// same, so that equal keys make equal stores. It is the time that Microsoft gives to the keys it publishes.
  package static let time = EFITime(year: 2010, month: 3, day: 6, hour: 19, minute: 17, second: 21)
}

extension SignatureList {
  /// A list with that one certificate: lists hold signatures of one size, so each certificate has its own.
  package init(_ certificate: Certificate, owner: GUID = SecureBootKeys.owner) {
    self.init(type: Self.x509, signature: Signature(owner: owner, data: certificate.der))
  }

  /// A list with that one digest.
  package init(sha256 digest: [UInt8], owner: GUID = SecureBootKeys.owner) {
    self.init(type: Self.sha256, signature: Signature(owner: owner, data: digest))
  }
}

extension VariableStore {
  /// Puts the keys in the place of those that are there, and turns Secure Boot on.
  ///
  /// The store is edited as a firmware in setup mode would leave it: nothing has to be signed. A dbx that is there
  /// stays when the keys bring none; without either it gets the digest of nothing, as edk2's `EnrollDefaultKeys` does
  /// (`OvmfPkg`): some systems take a firmware without dbx for one that has no Secure Boot.
  ///
  /// - Parameters:
  ///   - owner: owner of the platform key's signature, and of that digest.
  ///   - time: in UTC; what the four variables are dated.
  /// - Throws: `EFIFault` when there is no key for KEK or for db, or the store is a plain one, whose firmware has no
  ///   Secure Boot.
  package mutating func enrol(
    _ keys: SecureBootKeys, owner: GUID = SecureBootKeys.owner, time: EFITime = SecureBootKeys.time
  ) throws(EFIFault) {
    guard layout.isAuthenticated else {
      throw EFIFault(at: 0, "the store is a plain one: its firmware has no Secure Boot")
    }
    var lists = [
      (VariableKey.keyExchangeKeys, keys.keyExchangeKeys), (.signatures, keys.signatures),
      (.platformKey, [SignatureList(keys.platformKey, owner: owner)]),
    ]
    if !keys.forbiddenSignatures.isEmpty {
      lists.append((.forbiddenSignatures, keys.forbiddenSignatures))
    } else if self[.forbiddenSignatures] == nil {
      lists.append((.forbiddenSignatures, [SignatureList(sha256: Self.digestOfNothing, owner: owner)]))
    }
    if let (key, _) = lists.first(where: { $1.isEmpty }) {
      throw EFIFault(at: 0, "there is no key for \(key.name)")
    }
    for (key, lists) in lists {
      let data = VariableValue.signatures(unique(lists)).data
      try set(Variable(key, .signatureDatabase, data, time: time))
    }
    try set(Variable(.secureBootEnable, [.nonVolatile, .bootServiceAccess], [1]))
    try set(Variable(.customMode, [.nonVolatile, .bootServiceAccess], [0]))
  }

  /// Whether a firmware with Secure Boot that finds this store starts what is signed and nothing else.
  package var enforcesSecureBoot: Bool {
    // Without SecureBootEnable the firmware turns it on by itself, once there is a platform key.
    self[.platformKey] != nil && self[.secureBootEnable]?.data != [0]
  }

  private func unique(_ lists: [SignatureList]) -> [SignatureList] {
    var seen: Set<SignatureList> = []
    return lists.filter { seen.insert($0).inserted }
  }

  /// SHA-256 of no bytes.
  private static let digestOfNothing: [UInt8] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
  ]
}

extension VariableKey {
  /// Turns Secure Boot off though there are keys (edk2's `SecurityPkg/Include/Guid/AuthenticatedVariableFormat.h`).
  package static let secureBootEnable = VariableKey(
    GUID(high: 0xf0a3_0bc7_af08_4556, low: 0x99c4_0010_09c9_3a44), VariableName(known: "SecureBootEnable"))
  /// Lets whoever is at the machine change keys without a signature; the firmware clears it at each boot.
  package static let customMode = VariableKey(
    GUID(high: 0xc076_ec0c_7028_4399, low: 0xa072_71ee_5c44_8b9f), VariableName(known: "CustomMode"))
}
