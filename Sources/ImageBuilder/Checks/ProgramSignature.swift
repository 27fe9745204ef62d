internal import Basics
internal import Crypto
internal import SwiftASN1
internal import X509

/// One Authenticode signature: PKCS #7 `SignedData` over the digest of a program (RFC 2315, 9; "Windows Authenticode
/// Portable Executable Signature Format").
struct ProgramSignature {
  /// The digest of the program that was signed.
  let digest: [UInt8]
  let algorithm: ProgramDigest
  /// The certificates that are in the signature.
  private(set) var certificates: [X509.Certificate] = []
  /// Whether there are others, which are not understood here.
  private(set) var hasOtherCertificates = false
  /// What is signed, without tag and length: the digest, and what it is of.
  private let content: ArraySlice<UInt8>
  private let signer: Signer

  private struct Signer {
    var algorithm: ProgramDigest
    /// As they are signed: a set; nil when the content is signed itself.
    var attributes: [UInt8]?
    var contentDigest: ArraySlice<UInt8>?
    var signature: ArraySlice<UInt8>
  }

  /// Reads a signature. Bytes behind it are padding.
  ///
  /// - Throws: an error of the ASN.1 reader, or `Fault`, for what is not understood.
  init(_ bytes: [UInt8]) throws {
    let root = try DER.parse(bytes.prefix(try derValue(bytes[...]).endIndex))
    var outer = try root.children()
    guard try ASN1ObjectIdentifier(derEncoded: outer.taken()) == [1, 2, 840, 113549, 1, 7, 2] else {
      throw Fault(.failed, "its signature is not PKCS #7 SignedData")
    }
    var wrapper = try outer.taken().children()
    var fields = try wrapper.taken().children()
    _ = try fields.taken()  // version
    _ = try fields.taken()  // digest algorithms: the signer names its own
    var info = try fields.taken().children()
    // SPC_INDIRECT_DATA_OBJID
    guard try ASN1ObjectIdentifier(derEncoded: info.taken()) == [1, 3, 6, 1, 4, 1, 311, 2, 1, 4] else {
      throw Fault(.failed, "its signature is not one of a program")
    }
    var explicit = try info.taken().children()
    let indirect = try explicit.taken()
    content = try derValue(indirect.encodedBytes)
    (algorithm, digest) = try Self.digest(in: indirect)
    var next = try fields.taken()
    if next.identifier == .tagged(0) {
      var nodes = try next.children()
      while let node = nodes.next() {
        if let certificate = try? X509.Certificate(derEncoded: node) {
          certificates.append(certificate)
        } else {
          hasOtherCertificates = true
        }
      }
      next = try fields.taken()
    }
    if next.identifier == .tagged(1) { next = try fields.taken() }
    var signers = try next.children()
    signer = try Self.signer(in: signers.taken())
  }

  /// `SpcIndirectDataContent`: what the digest is of, and `DigestInfo`.
  private static func digest(in node: ASN1Node) throws -> (ProgramDigest, [UInt8]) {
    var fields = try node.children()
    _ = try fields.taken()
    var info = try fields.taken().children()
    let algorithm = try ProgramDigest(identifiedBy: info.taken())
    return (algorithm, Array(try ASN1OctetString(derEncoded: info.taken()).bytes))
  }

  private static func signer(in node: ASN1Node) throws -> Signer {
    var fields = try node.children()
    _ = try fields.taken()  // version
    _ = try fields.taken()  // issuer and serial number: the key tells
    let algorithm = try ProgramDigest(identifiedBy: fields.taken())
    var signer = Signer(algorithm: algorithm, signature: [])
    var next = try fields.taken()
    if next.identifier == .tagged(0) {
      // Signed is the set, and in its place stands an implicit tag (RFC 2315, 9.3).
      signer.attributes = [ASN1Identifier.set.byte] + next.encodedBytes.dropFirst()
      signer.contentDigest = try messageDigest(in: next)
      next = try fields.taken()
    }
    signer.signature = try ASN1OctetString(derEncoded: fields.taken()).bytes
    return signer
  }

  private static func messageDigest(in attributes: ASN1Node) throws -> ArraySlice<UInt8>? {
    var nodes = try attributes.children()
    while let node = nodes.next() {
      var fields = try node.children()
      guard try ASN1ObjectIdentifier(derEncoded: fields.taken()) == [1, 2, 840, 113549, 1, 9, 4] else {
        continue
      }
      var values = try fields.taken().children()
      return try ASN1OctetString(derEncoded: values.taken()).bytes
    }
    return nil
  }

  /// The certificate whose key has signed the digest; nil when none of the signature's has.
  func signerCertificate() -> X509.Certificate? {
    let signed: [UInt8]
    if let attributes = signer.attributes {
      guard let expected = signer.contentDigest, signer.algorithm.digest(of: content).elementsEqual(expected)
      else { return nil }
      signed = attributes
    } else {
      signed = Array(content)
    }
    return certificates.first {
      $0.publicKey.isValidSignature(
        signer.signature, for: signed, signatureAlgorithm: signer.algorithm.signatureAlgorithm)
    }
  }
}

/// The digests that programs are signed with.
enum ProgramDigest {
  case sha256, sha384, sha512

  /// Reads an `AlgorithmIdentifier`.
  fileprivate init(identifiedBy node: ASN1Node) throws {
    var fields = try node.children()
    let identifier = try ASN1ObjectIdentifier(derEncoded: fields.taken())
    switch identifier {
    case [2, 16, 840, 1, 101, 3, 4, 2, 1]: self = .sha256
    case [2, 16, 840, 1, 101, 3, 4, 2, 2]: self = .sha384
    case [2, 16, 840, 1, 101, 3, 4, 2, 3]: self = .sha512
    default: throw Fault(.failed, "it is signed with the digest \(identifier), which is not known here")
    }
  }

  func digest(of program: EFIProgram) -> [UInt8] {
    switch self {
    case .sha256: program.digest(SHA256.self)
    case .sha384: program.digest(SHA384.self)
    case .sha512: program.digest(SHA512.self)
    }
  }

  fileprivate func digest(of bytes: ArraySlice<UInt8>) -> [UInt8] {
    switch self {
    case .sha256: Array(SHA256.hash(data: bytes))
    case .sha384: Array(SHA384.hash(data: bytes))
    case .sha512: Array(SHA512.hash(data: bytes))
    }
  }

  /// Firmware verifies with RSA keys only.
  fileprivate var signatureAlgorithm: X509.Certificate.SignatureAlgorithm {
    switch self {
    case .sha256: .sha256WithRSAEncryption
    case .sha384: .sha384WithRSAEncryption
    case .sha512: .sha512WithRSAEncryption
    }
  }
}

/// The value of the DER element that bytes begin with, without tag and length.
private func derValue(_ bytes: ArraySlice<UInt8>) throws(Fault) -> ArraySlice<UInt8> {
  let fault = Fault(.failed, "its signature is cut off")
  guard let first = bytes.dropFirst().first else { throw fault }
  let count = first < 0x80 ? 0 : Int(first) - 0x80
  guard count <= 4, bytes.count >= 2 + count else { throw fault }
  let start = bytes.startIndex + 2 + count
  let size = count == 0 ? Int(first) : bytes[start - count..<start].reduce(0) { $0 << 8 | Int($1) }
  guard size <= bytes.endIndex - start else { throw fault }
  return bytes[start..<start + size]
}

extension ASN1Node {
  fileprivate func children() throws -> ASN1NodeCollection.Iterator {
    guard case .constructed(let nodes) = content else { throw Fault(.failed, "its signature is damaged") }
    return nodes.makeIterator()
  }
}

extension ASN1NodeCollection.Iterator {
  fileprivate mutating func taken() throws(Fault) -> ASN1Node {
    guard let node = next() else { throw Fault(.failed, "its signature is damaged") }
    return node
  }
}

extension ASN1Identifier {
  fileprivate static func tagged(_ number: UInt) -> ASN1Identifier {
    ASN1Identifier(tagWithNumber: number, tagClass: .contextSpecific)
  }

  /// The tag of a universal, constructed type as DER has it.
  fileprivate var byte: UInt8 { 0x20 | UInt8(truncatingIfNeeded: tagNumber) }
}
