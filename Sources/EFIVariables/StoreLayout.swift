internal import ImageModel

/// Where things are in a variable store, as its two headers say.
///
/// A firmware volume (`EFI_FIRMWARE_VOLUME_HEADER`, PI 1.7, volume 3, 3.2.1) holds the store of variables
/// (`VARIABLE_STORE_HEADER`, edk2's `MdeModulePkg/Include/Guid/VariableFormat.h`). What follows the store in
/// the volume belongs to fault-tolerant writes. Bytes after the volume are none of either: AAVMF pads with them.
package struct StoreLayout: Hashable, Sendable {
  /// The volume in bytes; it begins the file.
  package var volumeSize: Int
  /// Where the store's own header begins.
  package var storeOffset: Int
  /// Where the store ends.
  package var storeEnd: Int
  /// Whether variables carry the times and counts that Secure Boot needs.
  package var isAuthenticated: Bool

  static let storeHeaderSize = 28
  private static let volumeType = GUID(high: 0xfff1_2b8d_7696_4c8b, low: 0xa985_2747_075b_4f50)
  private static let authenticatedStore = GUID(high: 0xaaf3_2c78_947b_439a, low: 0xa180_2e14_4ec3_7792)
  private static let plainStore = GUID(high: 0xddcf_3616_3275_4164, low: 0x98b6_fe85_707f_fe7d)

  /// Where the first record begins.
  package var firstRecord: Int { storeOffset + Self.storeHeaderSize }
  /// What all records together may take.
  package var capacity: Int { storeEnd - firstRecord }
  /// `AUTHENTICATED_VARIABLE_HEADER` or `VARIABLE_HEADER`.
  package var recordHeaderSize: Int { isAuthenticated ? 60 : 32 }

  /// Reads and checks both headers.
  init(_ bytes: [UInt8]) throws(EFIFault) {
    guard bytes.count >= 0x48 else {
      throw EFIFault(at: bytes.count, "the file has \(bytes.count) bytes, fewer than a volume's header")
    }
    (volumeSize, storeOffset) = try Self.volume(bytes)
    var header = ByteReader(bytes, from: storeOffset, to: volumeSize)
    let signature = try header.guid("the store's signature")
    isAuthenticated = signature == Self.authenticatedStore
    guard isAuthenticated || signature == Self.plainStore else {
      throw EFIFault(at: storeOffset, "\(signature) is not the GUID of a variable store")
    }
    let size = Int(try header.integer(UInt32.self, "the store's size"))
    guard size >= Self.storeHeaderSize, size <= volumeSize - storeOffset else {
      throw EFIFault(
        at: storeOffset + 16,
        "the store has \(size) bytes by its header, and its volume has room for \(volumeSize - storeOffset)")
    }
    // Records are padded to it; the last one of an odd store could be read, and not be written again.
    guard size.isMultiple(of: 4) else {
      throw EFIFault(at: storeOffset + 16, "the store's size, \(size) bytes, is not a multiple of 4")
    }
    storeEnd = storeOffset + size
    guard try header.integer(UInt16.self, "the store's state") == 0xfe5a else {
      throw EFIFault(at: storeOffset + 20, "the store is not marked as formatted and healthy (0x5a 0xfe)")
    }
  }

  /// Checks the volume's header; returns the size of the volume and of its header.
  private static func volume(_ bytes: [UInt8]) throws(EFIFault) -> (size: Int, header: Int) {
    guard bytes[0x28..<0x2c].elementsEqual("_FVH".utf8) else {
      throw EFIFault(at: 0x28, "there is no firmware volume: the signature _FVH is missing")
    }
    var reader = ByteReader(bytes, from: 0x10)
    let type = try reader.guid("the volume's type")
    guard type == volumeType else {
      throw EFIFault(at: 0x10, "the volume's type is \(type), not a store of variables")
    }
    let length = try reader.integer(UInt64.self, "the volume's size")
    guard let size = Int(exactly: length), size <= bytes.count else {
      throw EFIFault(
        at: 0x20, "the volume has \(length) bytes by its header, and the file \(bytes.count)")
    }
    let header = Int(bytes.littleEndian(UInt16.self, at: 0x30))
    guard header >= 0x48, header.isMultiple(of: 8), header + storeHeaderSize <= size else {
      throw EFIFault(at: 0x30, "the volume's header cannot have \(header) bytes")
    }
    guard bytes.sum16(to: header) == 0 else {
      throw EFIFault(at: 0x32, "the checksum of the volume's header is wrong")
    }
    try checkBlocks(bytes, end: header, volume: size)
    return (size, header)
  }

  /// Checks that the map of blocks (`EFI_FV_BLOCK_MAP_ENTRY`) holds the volume; AAVMF's is of the whole flash.
  private static func checkBlocks(_ bytes: [UInt8], end: Int, volume: Int) throws(EFIFault) {
    var total: UInt64 = 0
    for offset in stride(from: 0x38, to: end, by: 8) {
      let count = UInt64(bytes.littleEndian(UInt32.self, at: offset))
      let size = UInt64(bytes.littleEndian(UInt32.self, at: offset + 4))
      if count == 0, size == 0 {
        guard total >= UInt64(volume), total <= UInt64(bytes.count), offset + 8 == end else { break }
        return
      }
      let (sum, isTooLarge) = total.addingReportingOverflow(count * size)
      if isTooLarge { break }
      total = sum
    }
    throw EFIFault(at: 0x38, "the map of blocks does not hold the volume")
  }
}
