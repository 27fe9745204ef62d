internal import ImageModel

/// The area behind the variables: event log, working block and spare blocks.
///
/// When the firmware moves the variables together it first copies the store to the spare blocks, and notes
/// each step in the working block's queue. A step that is not finished means that the store itself may be half
/// written. Layouts: `EFI_FAULT_TOLERANT_WORKING_BLOCK_HEADER` (edk2's `Guid/SystemNvDataGuid.h`, 32 bytes),
/// `EFI_FAULT_TOLERANT_WRITE_HEADER` and `…_RECORD` (`Guid/FaultTolerantWrite.h`, 40 bytes each).
/// Flash is erased to ones, so that a bit which is 0 says yes.
enum FaultTolerantWrite {
  static let headerSize = 32
  private static let writeSize = 40
  private static let signature = GUID(high: 0x9e58_292b_7c68_497d, low: 0xa0ce_6500_fd9f_1b95)
  private static let signatureBytes = signature.littleEndianBytes

  /// Finds the working block, and checks that nothing in it is unfinished.
  ///
  /// - Returns: where it begins; nil when the whole area is erased, as it is before the first boot.
  static func workingBlock(_ bytes: [UInt8], _ layout: StoreLayout) throws(EFIFault) -> Int? {
    let area = layout.storeEnd..<layout.volumeSize
    guard let first = bytes.firstNotErased(in: area) else { return nil }
    // OVMF has an event log of one block before it, AAVMF has not; both leave the log erased.
    guard first + headerSize <= area.upperBound,
      bytes[first..<first + 16].elementsEqual(signatureBytes)
    else {
      throw EFIFault(at: first, "there is no working block of fault-tolerant writes")
    }
    let queue = try checkHeader(bytes, at: first, end: area.upperBound)
    try checkQueue(bytes, queue)
    return first
  }

  /// Checks the working block's header, and returns where its queue is.
  private static func checkHeader(
    _ bytes: [UInt8], at offset: Int, end: Int
  ) throws(EFIFault) -> Range<Int> {
    guard bytes[offset + 20] == 0xfe else {
      throw EFIFault(at: offset + 20, "the working block of fault-tolerant writes is not marked as valid")
    }
    var header = Array(bytes[offset..<offset + headerSize])
    // The sum is made before it and the state are written.
    for index in 16...20 { header[index] = 0xff }
    guard crc32(header) == bytes.littleEndian(UInt32.self, at: offset + 16) else {
      throw EFIFault(at: offset + 16, "the checksum of the working block's header is wrong")
    }
    let size = bytes.littleEndian(UInt64.self, at: offset + 24)
    let start = offset + headerSize
    guard let size = Int(exactly: size), size <= end - start else {
      throw EFIFault(at: offset + 24, "the queue of fault-tolerant writes runs past the volume's end")
    }
    return start..<start + size
  }

  private static func checkQueue(_ bytes: [UInt8], _ queue: Range<Int>) throws(EFIFault) {
    var offset = queue.lowerBound
    while offset + writeSize <= queue.upperBound, bytes[offset] != 0xff {
      // HeaderAllocated, WritesAllocated, Complete.
      guard bytes[offset] & 7 == 0 else {
        throw EFIFault(at: offset, "a fault-tolerant write was begun and not finished")
      }
      let writes = bytes.littleEndian(UInt64.self, at: offset + 24)
      let privateSize = bytes.littleEndian(UInt64.self, at: offset + 32)
      let room = UInt64(queue.upperBound - offset - writeSize)
      guard privateSize <= room, writes <= room / (UInt64(writeSize) + privateSize) else {
        throw EFIFault(at: offset + 24, "a fault-tolerant write runs past the queue's end")
      }
      offset += writeSize + Int(writes) * (writeSize + Int(privateSize))
    }
    if let offset = bytes.firstNotErased(in: offset..<queue.upperBound) {
      throw EFIFault(at: offset, "the queue of fault-tolerant writes is not erased behind its last write")
    }
  }
}

/// CRC-32 of IEEE 802.3, as the UEFI boot service CalculateCrc32 makes it.
package func crc32(_ bytes: [UInt8]) -> UInt32 {
  var sum = UInt32.max
  for byte in bytes {
    sum ^= UInt32(byte)
    for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
  }
  return ~sum
}
