internal import EFIVariables
internal import SwiftASN1
internal import X509

/// The private key that the bootloader's installation signs with.
struct SigningKey: Sendable {
  private let key: X509.Certificate.PrivateKey

  /// Reads the first private key of a text: PKCS #8, or a key of RSA (PKCS #1) or of an elliptic curve (SEC 1) alone.
  ///
  /// - Throws: `EFIFault` when there is none that can be used.
  init(pem text: [UInt8]) throws(EFIFault) {
    let encrypted = EFIFault(at: 0, "the private key has a passphrase, which nobody is there to type")
    // OpenSSL's older form, which has headers inside the block (RFC 1421, 4.6).
    guard !String(decoding: text, as: UTF8.self).contains("Proc-Type: 4,ENCRYPTED") else { throw encrypted }
    let documents = try pemDocuments(in: text)
    guard let document = documents.first(where: { $0.discriminator.hasSuffix("PRIVATE KEY") }) else {
      throw EFIFault(at: 0, "there is no private key in PEM")
    }
    guard document.discriminator != "ENCRYPTED PRIVATE KEY" else { throw encrypted }
    do {
      key = try X509.Certificate.PrivateKey(pemDocument: document)
    } catch {
      throw EFIFault(
        at: 0,
        "the private key cannot be read: it is damaged, or neither RSA of 2048 bits or more nor P-256, "
          + "P-384, P-521 or Ed25519")
    }
  }

  /// Whether a certificate has the public half of the key.
  ///
  /// - Throws: `EFIFault` when the certificate is not understood.
  func belongs(to certificate: EFIVariables.Certificate) throws(EFIFault) -> Bool {
    try certificate.parsed().publicKey == key.publicKey
  }
}

extension EFIVariables.Certificate {
  fileprivate func parsed() throws(EFIFault) -> X509.Certificate {
    do {
      return try X509.Certificate(derEncoded: der)
    } catch {
      throw EFIFault(
        at: 0, "the certificate cannot be read: it is damaged, or its key has less than 2048 bits")
    }
  }

  /// Whether another certificate has the name of this one's issuer, and the key that signed this one.
  func isIssued(by other: EFIVariables.Certificate) -> Bool {
    guard let own = try? parsed(), let others = try? other.parsed() else { return false }
    return own.isIssued(by: others)
  }
}
