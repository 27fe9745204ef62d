package import SwiftASN1

/// An X.509 certificate, as DER bytes (RFC 5280, 4.1).
///
/// Only its outline is read: enough to refuse what is no certificate, or one whose key no firmware can use.
package struct Certificate: Hashable, Sendable {
  /// The certificate, in DER.
  package let der: [UInt8]

  /// Reads the one certificate that the bytes are.
  ///
  /// - Throws: `EFIFault` when they are no certificate, or its key is not RSA: edk2's firmware verifies with no
  ///   other (`SecurityPkg/Library/AuthVariableLib`, `CheckSignatureListFormat`).
  package init(der bytes: [UInt8]) throws(EFIFault) {
    let outline: Outline
    do {
      outline = try Outline(derEncoded: bytes)
    } catch {
      throw EFIFault(at: 0, "this is not a certificate in DER")
    }
    guard outline.keyAlgorithm == Self.rsa else {
      throw EFIFault(at: 0, "the public key is not RSA, and firmware verifies with no other")
    }
    der = bytes
  }

  /// rsaEncryption (RFC 3279, 2.3.1).
  private static let rsa: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 1, 1]

  /// Reads a certificate in DER, or all certificates of a text with PEM blocks (RFC 7468), in their order.
  ///
  /// - Throws: `EFIFault` when there is none, or one is not well-formed.
  package static func all(in bytes: [UInt8]) throws(EFIFault) -> [Certificate] {
    // A sequence, which no text begins with.
    if bytes.first == 0x30 { return [try Certificate(der: bytes)] }
    var certificates: [Certificate] = []
    for document in try pemDocuments(in: bytes) where document.discriminator == "CERTIFICATE" {
      certificates.append(try Certificate(der: document.derBytes))
    }
    guard !certificates.isEmpty else { throw EFIFault(at: 0, "there is no certificate in PEM or DER") }
    return certificates
  }
}

/// All PEM blocks of a text; what stands between them is ignored (RFC 7468, 2).
///
/// - Throws: `EFIFault` for a block that is not well-formed.
package func pemDocuments(in text: [UInt8]) throws(EFIFault) -> [PEMDocument] {
  do {
    return try PEMDocument.parseMultiple(pemString: String(decoding: text, as: UTF8.self))
  } catch {
    throw EFIFault(at: 0, "a PEM block is not well-formed")
  }
}

/// What matters of a certificate here.
private struct Outline: DERParseable {
  let keyAlgorithm: ASN1ObjectIdentifier

  init(derEncoded certificate: ASN1Node) throws {
    var outer = try certificate.children()
    var body = try outer.taken().children()
    _ = try outer.taken().children()  // the signature's algorithm
    _ = try ASN1BitString(derEncoded: outer.taken())  // the signature
    // The version is left out in the first one.
    if try body.taken().identifier == ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific) {
      _ = try body.taken()  // the serial number
    }
    // The signature's algorithm, the issuer, the validity, the subject.
    for _ in 0..<4 { _ = try body.taken().children() }
    var key = try body.taken().children()
    var algorithm = try key.taken().children()
    keyAlgorithm = try ASN1ObjectIdentifier(derEncoded: algorithm.taken())
  }
}

extension ASN1Node {
  /// The nodes of a sequence.
  fileprivate func children() throws(EFIFault) -> ASN1NodeCollection.Iterator {
    guard identifier == .sequence, case .constructed(let nodes) = content else {
      throw EFIFault(at: 0, "a field is not a sequence")
    }
    return nodes.makeIterator()
  }
}

extension ASN1NodeCollection.Iterator {
  fileprivate mutating func taken() throws(EFIFault) -> ASN1Node {
    guard let node = next() else { throw EFIFault(at: 0, "a field is missing") }
    return node
  }
}
