/// Secure Boot of an image, by files of the host: `secureBoot` of a spec.
///
/// Every field is optional, so that specs can be laid over each other; `check` asks for those that must be there.
public struct SecureBootSpec: Hashable, Codable, Sendable {
  /// The platform key's certificate, PEM or DER.
  public var pk: String?
  /// Certificates that may change db and dbx, PEM or DER.
  public var kek: [String]?
  /// Certificates of whoever signs what may be started, PEM or DER.
  public var db: [String]?
  /// What the installation signs with; nil when the system signs with a key of its own.
  public var sign: SigningSpec?

  /// Keys that are given one by one.
  public init(
    pk: String? = nil, kek: [String]? = nil, db: [String]? = nil, sign: SigningSpec? = nil
  ) {
    self.pk = pk
    self.kek = kek
    self.db = db
    self.sign = sign
  }

  /// These files, with every field that `other` sets taken from there.
  func overridden(by other: SecureBootSpec?) -> SecureBootSpec {
    SecureBootSpec(
      pk: other?.pk ?? pk, kek: other?.kek ?? kek, db: other?.db ?? db,
      sign: sign.map { $0.overridden(by: other?.sign) } ?? other?.sign)
  }

  /// Every file that is named, with its field.
  package var files: [(field: String, path: String)] {
    var files = [("pk", pk)] + (kek ?? []).map { ("kek", $0) } + (db ?? []).map { ("db", $0) }
    files += [("sign.key", sign?.key), ("sign.cert", sign?.cert)]
    return files.compactMap { field, path in path.map { (field, $0) } }
  }
}

/// A private key and its certificate, by files of the host.
public struct SigningSpec: Hashable, Codable, Sendable {
  /// The private key, PEM, without a passphrase.
  public var key: String?
  /// Its certificate, PEM.
  public var cert: String?

  /// The name of the key among the secrets of a build.
  package static let keySecret = "sign.key"
  /// The name of the certificate, which is with the key though it is none.
  package static let certificateSecret = "sign.pem"

  /// Names the two files.
  public init(key: String? = nil, cert: String? = nil) {
    self.key = key
    self.cert = cert
  }

  func overridden(by other: SigningSpec?) -> SigningSpec {
    SigningSpec(key: other?.key ?? key, cert: other?.cert ?? cert)
  }
}

extension SecureBootSpec {
  /// Finds what is missing, and what the rest of the spec contradicts.
  ///
  /// - Throws: `SpecError`.
  func check(_ spec: ImageSpec, hasESP: Bool) throws(SpecError) {
    func fault(_ message: String, _ remedy: String) -> SpecError {
      SpecError("secureBoot", message, remedy: remedy)
    }
    guard hasESP, spec.onlyNixStore != true else {
      throw fault(
        "there is no EFI system partition, so nothing that Secure Boot could check",
        "Leave secureBoot out, or use the partition table \(PartitionTable.choice(\.hasESP))")
    }
    let certificates = [("pk", pk.map { [$0] }), ("kek", kek), ("db", db)]
    for (field, files) in certificates where files?.isEmpty != false {
      throw fault(
        "'\(field)' is missing", "Give pk, kek and db: a firmware enforces nothing without one of them")
    }
    guard let sign else { return }
    guard sign.key != nil, sign.cert != nil else {
      let missing = sign.key == nil ? "key" : "cert"
      throw fault("'\(missing)' of 'sign' is missing", "Give the private key and its certificate, or neither")
    }
    guard spec.installBootLoader != false else {
      throw fault(
        "nothing is signed when installBootLoader is false",
        "Leave 'sign' out, or set installBootLoader to true")
    }
  }
}
