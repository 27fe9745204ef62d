internal import ImageModel

/// The fixed beginning of an edk2 variable store: a firmware volume's header, then the store's.
///
/// Layouts: `EFI_FIRMWARE_VOLUME_HEADER` (PI 1.7, volume 3, 3.2.1) and `VARIABLE_STORE_HEADER` of edk2's
/// `MdeModulePkg/Include/Guid/VariableFormat.h`. Firmware that finds neither boots all the same, and then keeps
/// no variable; therefore a store is checked before and after each run.
package struct VariableStoreHeader: Hashable, Sendable {
  /// Where the store's own header begins, in bytes.
  package var storeOffset: Int
  /// The store with its header, in bytes; what follows is for the firmware's own recovery.
  package var storeSize: Int
  /// Whether variables carry the times and counts that Secure Boot needs.
  package var isAuthenticated: Bool

  /// Bytes of the store's own header.
  package static let storeHeaderSize = 28
  /// QEMU maps flash in blocks of this many bytes, and refuses other sizes.
  static let blockSize = 4096

  /// Reads and checks the headers of a variable store.
  ///
  /// - Throws: `VariableStoreFault` with the place of the first thing that is wrong.
  package static func check(_ bytes: [UInt8]) throws(VariableStoreFault) -> VariableStoreHeader {
    guard !bytes.isEmpty, bytes.count.isMultiple(of: blockSize) else {
      throw VariableStoreFault(
        offset: 0, "the file has \(bytes.count) bytes, and a store has a multiple of \(blockSize)")
    }
    guard bytes.contains(where: { $0 != 0 }) else {
      throw VariableStoreFault(offset: 0, "the file is all zero; a store starts as a copy of a template")
    }
    let headerSize = try checkVolume(bytes)
    return try checkStore(bytes, at: headerSize)
  }

  /// Checks the volume's header, and returns its size.
  private static func checkVolume(_ bytes: [UInt8]) throws(VariableStoreFault) -> Int {
    guard Array(bytes[0x28..<0x2c]) == Array("_FVH".utf8) else {
      throw VariableStoreFault(offset: 0x28, "there is no firmware volume: the signature _FVH is missing")
    }
    let type = guid(bytes, 0x10)
    guard type == "fff12b8d-7696-4c8b-a985-2747075b4f50" else {
      throw VariableStoreFault(offset: 0x10, "the volume's type is \(type), not a store of variables")
    }
    let volume = bytes.integer(UInt64.self, at: 0x20)
    guard volume == bytes.count else {
      throw VariableStoreFault(
        offset: 0x20, "the volume has \(volume) bytes by its header, and the file \(bytes.count)")
    }
    let size = Int(bytes.integer(UInt16.self, at: 0x30))
    guard size >= 0x48, size.isMultiple(of: 2), size + storeHeaderSize <= bytes.count else {
      throw VariableStoreFault(offset: 0x30, "the volume's header cannot have \(size) bytes")
    }
    let sum = stride(from: 0, to: size, by: 2).reduce(UInt16(0)) { $0 &+ bytes.integer(UInt16.self, at: $1) }
    guard sum == 0 else {
      throw VariableStoreFault(offset: 0x32, "the checksum of the volume's header is wrong")
    }
    return size
  }

  private static func checkStore(
    _ bytes: [UInt8], at offset: Int
  ) throws(VariableStoreFault) -> VariableStoreHeader {
    let signature = guid(bytes, offset)
    let isAuthenticated = signature == "aaf32c78-947b-439a-a180-2e144ec37792"
    guard isAuthenticated || signature == "ddcf3616-3275-4164-98b6-fe85707ffe7d" else {
      throw VariableStoreFault(offset: offset, "\(signature) is not the GUID of a variable store")
    }
    let size = Int(bytes.integer(UInt32.self, at: offset + 16))
    guard size >= storeHeaderSize, size <= bytes.count - offset else {
      throw VariableStoreFault(
        offset: offset + 16,
        "the store has \(size) bytes by its header, and its volume has room for "
          + "\(bytes.count - offset)")
    }
    guard bytes[offset + 20] == 0x5a, bytes[offset + 21] == 0xfe else {
      throw VariableStoreFault(
        offset: offset + 20, "the store is not marked as formatted and healthy (0x5a 0xfe)")
    }
    return VariableStoreHeader(storeOffset: offset, storeSize: size, isAuthenticated: isAuthenticated)
  }

  private static func guid(_ bytes: [UInt8], _ offset: Int) -> String {
    // The first three groups are little-endian, and the order is its own inverse.
    let disk = GUID(bytes: Array(bytes[offset..<offset + 16]))
    return disk.flatMap { GUID(bytes: $0.littleEndianBytes) }?.description ?? ""
  }
}

extension VariableStoreHeader {
  /// Checks a store that a firmware has run with against the template it began as.
  ///
  /// - Returns: the number of bytes that differ. 0 means that nothing was written: the firmware did not take
  ///   the store, or did not get that far.
  /// - Throws: `VariableStoreFault` when either is no variable store, or when size or headers have changed.
  package static func changes(
    in bytes: [UInt8], since template: [UInt8]
  ) throws(VariableStoreFault) -> Int {
    let header = try check(template)
    guard bytes.count == template.count else {
      throw VariableStoreFault(
        offset: min(bytes.count, template.count),
        "the store has \(bytes.count) bytes, and its template \(template.count)")
    }
    _ = try check(bytes)
    let end = header.storeOffset + storeHeaderSize
    if let offset = (0..<end).first(where: { bytes[$0] != template[$0] }) {
      throw VariableStoreFault(offset: offset, "the header is not the template's any more")
    }
    return zip(bytes, template).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
  }
}

/// A file that is not a usable variable store.
package struct VariableStoreFault: Error, Hashable, Sendable {
  /// Where it is wrong, in bytes from the file's beginning.
  package var offset: Int
  /// What is wrong there.
  package var reason: String

  init(offset: Int, _ reason: String) {
    self.offset = offset
    self.reason = reason
  }
}

extension VariableStoreFault: CustomStringConvertible {
  package var description: String { "at 0x\(String(offset, radix: 16)): \(reason)" }
}

extension [UInt8] {
  /// A little-endian number; the caller has checked that it is inside.
  fileprivate func integer<Number: FixedWidthInteger & UnsignedInteger>(
    _ type: Number.Type, at offset: Int
  ) -> Number {
    self[offset..<offset + MemoryLayout<Number>.size].reversed().reduce(0) { $0 << 8 | Number($1) }
  }
}
