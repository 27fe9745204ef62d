internal import Basics
package import ImageModel

/// `EFI_SIGNATURE_LIST`: certificates or digests of one type and size (UEFI 2.10, 32.4.1).
package struct SignatureList: Hashable, Sendable {
  /// `EFI_SIGNATURE_DATA`.
  package struct Signature: Hashable, Sendable {
    /// Who put it there.
    package var owner: GUID
    package var data: [UInt8]

    package init(owner: GUID, data: [UInt8]) {
      self.owner = owner
      self.data = data
    }
  }

  package var type: GUID
  package var header: [UInt8]
  package let signatures: [Signature]

  /// EFI_CERT_X509_GUID.
  package static let x509 = GUID(high: 0xa5c0_59a1_94e4_4aa7, low: 0x87b5_ab15_5c2b_f072)
  /// EFI_CERT_SHA256_GUID.
  package static let sha256 = GUID(high: 0xc1c4_1626_504c_4092, low: 0xaca9_41f9_3693_4328)

  private static let headerSize = 28

  /// Nil unless there are signatures, all of one size: a list has one field for it.
  package init?(type: GUID, header: [UInt8] = [], signatures: [Signature]) {
    guard let first = signatures.first,
      signatures.allSatisfy({ $0.data.count == first.data.count })
    else { return nil }
    self.type = type
    self.header = header
    self.signatures = signatures
  }

  /// A list with one signature.
  init(type: GUID, signature: Signature) {
    self.type = type
    header = []
    signatures = [signature]
  }

  /// Reads lists up to the end.
  static func all(in reader: inout ByteReader) throws(EFIFault) -> [SignatureList] {
    var lists: [SignatureList] = []
    while !reader.isAtEnd { lists.append(try SignatureList(&reader)) }
    return lists
  }

  private init(_ reader: inout ByteReader) throws(EFIFault) {
    let offset = reader.offset
    type = try reader.guid("the type of a signature list")
    let listSize = Int(try reader.integer(UInt32.self, "the size of a signature list"))
    let headerSize = Int(try reader.integer(UInt32.self, "the size of a list's header"))
    let signatureSize = Int(try reader.integer(UInt32.self, "the size of a signature"))
    let room = listSize - Self.headerSize - headerSize
    guard room >= 0, listSize - Self.headerSize <= reader.remaining else {
      throw EFIFault(at: offset + 16, "a signature list of \(listSize) bytes does not fit")
    }
    guard signatureSize >= 16, room > 0, room.isMultiple(of: signatureSize) else {
      throw EFIFault(
        at: offset + 24, "\(room) bytes are not filled by signatures of \(signatureSize) bytes")
    }
    header = try reader.take(headerSize, "the header of a signature list")
    var signatures: [Signature] = []
    for _ in 0..<room / signatureSize {
      let owner = try reader.guid("the owner of a signature")
      signatures.append(Signature(owner: owner, data: try reader.take(signatureSize - 16, "a signature")))
    }
    self.signatures = signatures
  }

  /// The bytes to store.
  package var data: [UInt8] {
    let signatureSize = 16 + (signatures.first?.data.count ?? 0)
    var bytes = type.littleEndianBytes
    let size = Self.headerSize + header.count + signatures.count * signatureSize
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: size))
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: header.count))
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: signatureSize))
    bytes += header
    for signature in signatures { bytes += signature.owner.littleEndianBytes + signature.data }
    return bytes
  }
}
