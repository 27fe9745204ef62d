internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import Foundation
internal import SystemPackage

/// The keys of `secureBoot`, read and checked.
struct SecureBoot: Sendable {
  /// What is enrolled in the exported store.
  let keys: SecureBootKeys
  /// What the bootloader's installation signs with; empty when the system has a key of its own.
  let signing: [SecretFile]

  /// Reads the files that the spec names.
  ///
  /// - Throws: `SpecError` for a file that is not there or not what it must be, and for keys that do not fit each other.
  init(_ spec: SecureBootSpec) throws {
    let platform = try Self.certificates([spec.pk].compactMap(\.self), "pk")
    guard platform.count == 1, let platformKey = platform.first else {
      throw Self.fault(
        "'pk' has \(platform.count) certificates, and there is one platform key", "Leave one of them")
    }
    let database = try Self.certificates(spec.db ?? [], "db")
    keys = SecureBootKeys(
      platformKey: platformKey,
      keyExchangeKeys: try Self.certificates(spec.kek ?? [], "kek").map { SignatureList($0) },
      signatures: database.map { SignatureList($0) })
    signing = try Self.signing(spec.sign, database)
  }

  private static func signing(
    _ sign: SigningSpec?, _ database: [Certificate]
  ) throws -> [SecretFile] {
    guard let keyFile = sign?.key, let certificateFile = sign?.cert else { return [] }
    let key = try read(keyFile, "sign.key")
    let certificate = try read(certificateFile, "sign.cert")
    let signingKey: SigningKey
    do throws(EFIFault) {
      signingKey = try SigningKey(pem: key)
    } catch {
      throw fault("the file \(keyFile) of 'sign.key': \(error.reason)", "Give a private key in PEM")
    }
    let own = try certificates([certificateFile], "sign.cert")
    guard certificate.contains(text: "-----BEGIN CERTIFICATE-----"), let first = own.first else {
      throw fault("'sign.cert' is not in PEM", "Convert it: openssl x509 -inform DER -in IN -out OUT")
    }
    guard try belongs(signingKey, to: first, certificateFile) else {
      throw fault(
        "the private key of 'sign.key' is not that of the certificate of 'sign.cert'",
        "Give the key and the certificate that were made together; compare: "
          + "openssl pkey -in KEY -pubout, openssl x509 -in CERT -noout -pubkey")
    }
    guard database.contains(where: { $0 == first || first.isIssued(by: $0) }) else {
      throw fault(
        "db has neither the certificate of 'sign.cert' nor one whose key has signed it, so nothing that is signed "
          + "would start",
        "Add it to db")
    }
    return [
      SecretFile(
        name: SigningSpec.keySecret, variable: "SLIPWAY_SIGN_KEY",
        text: String(decoding: key, as: UTF8.self)),
      SecretFile(
        name: SigningSpec.certificateSecret, variable: "SLIPWAY_SIGN_CERT",
        text: String(decoding: certificate, as: UTF8.self)),
    ]
  }

  private static func belongs(
    _ key: SigningKey, to certificate: Certificate, _ file: String
  ) throws -> Bool {
    do throws(EFIFault) {
      return try key.belongs(to: certificate)
    } catch {
      throw fault("the file \(file) of 'sign.cert': \(error.reason)", "Give another certificate")
    }
  }

  private static func certificates(_ files: [String], _ field: String) throws -> [Certificate] {
    var certificates: [Certificate] = []
    for file in files {
      let bytes = try read(file, field)
      do throws(EFIFault) {
        certificates += try Certificate.all(in: bytes)
      } catch {
        throw fault(
          "the file \(file) of '\(field)' has no certificate that can be enrolled: \(error.reason)",
          "Give an X.509 certificate with an RSA key, in PEM or DER")
      }
    }
    return certificates
  }

  private static func read(_ file: String, _ field: String) throws -> [UInt8] {
    do {
      return try InputFile.read(file, "the file of '\(field)'", limit: InputFile.keyLimit)
    } catch let fault as Fault {
      throw SpecError("secureBoot", fault)
    }
  }

  private static func fault(_ message: String, _ remedy: String) -> SpecError {
    SpecError("secureBoot", message, remedy: remedy)
  }
}

extension SecureBoot {
  /// Enrols the keys in a store that an installation left.
  ///
  /// - Throws: `Fault` when they do not fit.
  func enrol(in store: inout VariableStore) throws {
    do {
      try store.enrol(keys)
    } catch {
      throw Fault(.failed, "the keys of secureBoot cannot be enrolled in the variable store: \(error)")
    }
  }
}

extension [UInt8] {
  fileprivate func contains(text: String) -> Bool {
    String(decoding: self, as: UTF8.self).contains(text)
  }
}
