/// An X.509 certificate, as DER bytes (RFC 5280, 4.1).
///
/// Only its outline is read: enough to refuse what is no certificate, or one whose key no firmware can use.
package struct Certificate: Hashable, Sendable {
  /// The certificate, in DER.
  package let der: [UInt8]
  /// Who signed it, and whose it is: names as DER.
  package let issuer: [UInt8]
  package let subject: [UInt8]

  /// Reads the one certificate that the bytes are.
  ///
  /// - Throws: `EFIFault` when they are no certificate, or its key is not RSA: edk2's firmware verifies with no
  ///   other (`SecurityPkg/Library/AuthVariableLib`, `CheckSignatureListFormat`).
  package init(der bytes: [UInt8]) throws(EFIFault) {
    var outer = DERReader(bytes)
    var certificate = try outer.sequence("the certificate")
    guard outer.isAtEnd else { throw EFIFault(at: outer.offset, "there are bytes behind the certificate") }
    var body = try certificate.sequence("the certificate's body")
    _ = try certificate.sequence("the signature's algorithm")
    try certificate.skip(tag: DERReader.bitString, "the signature")
    if body.nextTag == DERReader.version { try body.skip(tag: DERReader.version, "the version") }
    try body.skip(tag: DERReader.integer, "the serial number")
    _ = try body.sequence("the signature's algorithm")
    issuer = try body.value(tag: DERReader.sequence, "the issuer")
    _ = try body.sequence("the validity")
    subject = try body.value(tag: DERReader.sequence, "the subject")
    var key = try body.sequence("the public key")
    var algorithm = try key.sequence("the public key's algorithm")
    let place = algorithm.offset
    let identifier = try algorithm.value(tag: DERReader.objectIdentifier, "the key's algorithm")
    guard identifier == Self.rsa else {
      throw EFIFault(at: place, "the public key is not RSA, and firmware verifies with no other")
    }
    der = bytes
  }

  /// rsaEncryption, 1.2.840.113549.1.1.1 (RFC 3279, 2.3.1).
  private static let rsa: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]

  /// Reads a certificate in DER, or all certificates of a text with PEM blocks (RFC 7468), in their order.
  ///
  /// - Throws: `EFIFault` when there is none, or one is not well-formed; offsets are in the file, or in the
  ///   decoded block.
  package static func all(in bytes: [UInt8]) throws(EFIFault) -> [Certificate] {
    if bytes.first == DERReader.sequence { return [try Certificate(der: bytes)] }
    let blocks = try PEMBlock.all(in: bytes)
    var certificates: [Certificate] = []
    for block in blocks where block.label == "CERTIFICATE" {
      certificates.append(try Certificate(der: block.data))
    }
    guard !certificates.isEmpty else { throw EFIFault(at: 0, "there is no certificate in PEM or DER") }
    return certificates
  }
}

/// What stands between `-----BEGIN label-----` and `-----END label-----` (RFC 7468).
package struct PEMBlock: Hashable, Sendable {
  package var label: String
  package var data: [UInt8]

  /// Reads all blocks of a text; what stands between them is ignored, as RFC 7468 (2) has it.
  ///
  /// - Throws: `EFIFault` with the place of a block that has no end or is not base64.
  package static func all(in text: [UInt8]) throws(EFIFault) -> [PEMBlock] {
    var blocks: [PEMBlock] = []
    var open: (label: String, place: Int, digits: [UInt8])?
    var offset = 0
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      defer { offset += line.count + 1 }
      let line = String(decoding: line.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
      if let label = label(of: line, "BEGIN") {
        guard open == nil else { throw EFIFault(at: offset, "a PEM block begins inside another") }
        open = (label, offset, [])
      } else if let block = open {
        if let label = label(of: line, "END") {
          guard label == block.label, let data = bytes(base64: block.digits) else {
            throw EFIFault(at: block.place, "the PEM block '\(block.label)' is not well-formed")
          }
          blocks.append(PEMBlock(label: label, data: data))
          open = nil
        } else {
          open?.digits += line.utf8.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        }
      }
    }
    if let open { throw EFIFault(at: open.place, "the PEM block '\(open.label)' has no end") }
    return blocks
  }

  private static func label(of line: String, _ word: String) -> String? {
    let start = "-----\(word) "
    let end = "-----"
    guard line.hasPrefix(start), line.hasSuffix(end), line.utf8.count >= start.utf8.count + end.utf8.count
    else { return nil }
    return String(line.dropFirst(start.count).dropLast(end.count))
  }
}

/// Bytes of base64 (RFC 4648, 4), with its padding; nil for anything else.
private func bytes(base64 digits: [UInt8]) -> [UInt8]? {
  guard digits.count.isMultiple(of: 4) else { return nil }
  let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
  guard padding <= 2 else { return nil }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(digits.count / 4 * 3)
  var bits: UInt32 = 0
  for (index, digit) in digits.dropLast(padding).enumerated() {
    guard let value = base64Value(digit) else { return nil }
    bits = bits << 6 | UInt32(value)
    if !index.isMultiple(of: 4) { bytes.append(UInt8(truncatingIfNeeded: bits >> (6 - 2 * (index % 4)))) }
  }
  return bytes
}

private func base64Value(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
  case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
  case UInt8(ascii: "+"): 62
  case UInt8(ascii: "/"): 63
  default: nil
  }
}

/// Reads DER values one after the other (X.690, 8.1 and 10.1).
private struct DERReader {
  private var reader: ByteReader

  static let integer: UInt8 = 0x02
  static let bitString: UInt8 = 0x03
  static let objectIdentifier: UInt8 = 0x06
  static let sequence: UInt8 = 0x30
  /// The certificate's version: `[0] EXPLICIT`.
  static let version: UInt8 = 0xa0

  init(_ bytes: [UInt8]) {
    reader = ByteReader(bytes)
  }

  private init(_ reader: ByteReader) {
    self.reader = reader
  }

  var isAtEnd: Bool { reader.isAtEnd }
  var offset: Int { reader.offset }
  var nextTag: UInt8? { isAtEnd ? nil : reader.bytes[offset] }

  /// A reader of what is in the sequence that comes next.
  mutating func sequence(_ field: String) throws(EFIFault) -> DERReader {
    let size = try header(tag: Self.sequence, field)
    let inside = ByteReader(reader.bytes, from: offset, to: offset + size)
    _ = try reader.take(size, field)
    return DERReader(inside)
  }

  mutating func value(tag: UInt8, _ field: String) throws(EFIFault) -> [UInt8] {
    let size = try header(tag: tag, field)
    return try reader.take(size, field)
  }

  mutating func skip(tag: UInt8, _ field: String) throws(EFIFault) {
    _ = try value(tag: tag, field)
  }

  private mutating func header(tag: UInt8, _ field: String) throws(EFIFault) -> Int {
    let place = offset
    guard try reader.integer(UInt8.self, field) == tag else {
      throw EFIFault(at: place, "\(field) is not there: this is no certificate")
    }
    let first = Int(try reader.integer(UInt8.self, field))
    var size = first
    if first >= 0x80 {
      let count = first - 0x80
      guard (1...4).contains(count) else { throw EFIFault(at: place, "the length of \(field) is malformed") }
      size = 0
      for _ in 0..<count { size = size << 8 | Int(try reader.integer(UInt8.self, field)) }
    }
    guard size <= reader.remaining else {
      throw EFIFault(at: place, "\(field) needs \(size) bytes, and \(reader.remaining) are left")
    }
    return size
  }
}
