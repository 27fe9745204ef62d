extension [UInt8] {
  /// The little-endian number of `size` bytes at an offset; 0 where there are not as many.
  package func littleEndian(at offset: Int, _ size: Int) -> UInt64 {
    guard offset >= 0, size <= 8, offset <= count - size else { return 0 }
    return self[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The big-endian number of `size` bytes at an offset; 0 where there are not as many.
  package func bigEndian(at offset: Int, _ size: Int) -> UInt64 {
    guard offset >= 0, size <= 8, offset <= count - size else { return 0 }
    return self[offset..<offset + size].reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Adds an integer, the least byte first.
  package mutating func append(littleEndian number: some FixedWidthInteger) {
    append(contentsOf: number.littleEndianBytes)
  }

  /// Puts bytes in the place of as many others.
  package mutating func replace(at offset: Int, by bytes: [UInt8]) {
    replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }
}

extension FixedWidthInteger {
  /// Its bytes, the least first.
  package var littleEndianBytes: [UInt8] {
    withUnsafeBytes(of: littleEndian) { Array($0) }
  }

  /// Its bytes, the greatest first.
  package var bigEndianBytes: [UInt8] {
    withUnsafeBytes(of: bigEndian) { Array($0) }
  }
}
