internal import Basics
package import EFIVariables
internal import Foundation
internal import HostProbe
package import ImageModel
internal import SystemPackage

/// The keys of Secure Boot that a person names, as files and digests.
package struct KeyEnrolment: Sendable {
  /// A certificate, PEM or DER.
  package var platformKey: String
  /// Files with certificates.
  package var keyExchangeKeys: [String]
  package var signatures: [String]
  /// Files with certificates, or SHA-256 digests in hexadecimal.
  package var forbidden: [String]
  /// Who is said to have put them there.
  package var owner: GUID?
  /// Whether Microsoft's keys are put beside them.
  package var withMicrosoft: Bool

  package init(
    platformKey: String, keyExchangeKeys: [String], signatures: [String], forbidden: [String] = [],
    owner: GUID? = nil, withMicrosoft: Bool = false
  ) {
    self.platformKey = platformKey
    self.keyExchangeKeys = keyExchangeKeys
    self.signatures = signatures
    self.forbidden = forbidden
    self.owner = owner
    self.withMicrosoft = withMicrosoft
  }

  /// Reads everything that is named.
  ///
  /// - Throws: `Fault`.
  package func keys() async throws -> SecureBootKeys {
    let owner = owner ?? SecureBootKeys.owner
    let platform = try certificates(in: platformKey)
    guard platform.count == 1, let platformKey = platform.first else {
      throw Fault(
        .badInput, "\(self.platformKey) has \(platform.count) certificates, and the platform key is one",
        remedy: "Give a file with one certificate")
    }
    var keys = SecureBootKeys(
      platformKey: platformKey, keyExchangeKeys: try lists(keyExchangeKeys, owner),
      signatures: try lists(signatures, owner), forbiddenSignatures: try lists(forbidden, owner))
    if withMicrosoft {
      let theirs = try await microsoftLists()
      keys.keyExchangeKeys += theirs[.keyExchangeKeys] ?? []
      keys.signatures += theirs[.signatures] ?? []
      keys.forbiddenSignatures += theirs[.forbiddenSignatures] ?? []
    }
    return keys
  }

  /// Puts the keys into a store.
  ///
  /// - Throws: `Fault`.
  package func enrol(in file: VariableStoreFile, out: String?) async throws {
    let keys = try await keys()
    try await file.edit(into: out) { try $0.enrol(keys, owner: owner ?? SecureBootKeys.owner) }
  }

  private func lists(_ names: [String], _ owner: GUID) throws -> [SignatureList] {
    try names.flatMap { name in
      if let digest = digest(name) { return [SignatureList(sha256: digest, owner: owner)] }
      return try certificates(in: name).map { SignatureList($0, owner: owner) }
    }
  }

  private func digest(_ text: String) -> [UInt8]? {
    guard text.utf8.count == 64, let bytes = Hexadecimal.bytes(text) else { return nil }
    return bytes
  }

  private func certificates(in file: String) throws -> [Certificate] {
    let bytes = try InputFile.read(file, "the certificate", limit: InputFile.keyLimit)
    do {
      return try Certificate.all(in: bytes)
    } catch {
      throw Fault(.badInput, "\(file) is not a certificate that firmware accepts: \(error)")
    }
  }

  /// What Microsoft owns in the databases of the first template that has some.
  private func microsoftLists() async throws -> [VariableKey: [SignatureList]] {
    for template in await HostProbe().enrolledTemplates() {
      guard let bytes = try? await flashBytes(FilePath(template)),
        let store = try? VariableStore(reading: bytes)
      else { continue }
      var found: [VariableKey: [SignatureList]] = [:]
      for key in [VariableKey.keyExchangeKeys, .signatures, .forbiddenSignatures] {
        guard let variable = store[key], case .signatures(let lists) = try? VariableValue(of: variable)
        else { continue }
        found[key] = lists.filter { $0.signatures.allSatisfy { $0.owner == Self.microsoft } }
      }
      if found[.keyExchangeKeys]?.isEmpty == false, found[.signatures]?.isEmpty == false { return found }
    }
    throw Fault(
      .hostNotAble, "no firmware of this machine has Microsoft's keys in its variable store template",
      remedy: "Install OVMF (Debian: apt install ovmf), whose OVMF_VARS_4M.ms.fd has them")
  }

  /// EFI_OWNER of Microsoft, as its own documentation of Secure Boot keys gives it.
  private static let microsoft = GUID(high: 0x77fa_9abd_0359_4d32, low: 0xbd60_28f4_e78f_784b)
}
