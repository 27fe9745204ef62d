internal import Basics
package import ImageModel

/// Reads little-endian fields one after the other, and never past its end.
struct ByteReader {
  let bytes: [UInt8]
  /// The first byte that is not to be read.
  let end: Int
  /// The next byte to read, counted from the beginning of `bytes`.
  private(set) var offset: Int

  init(_ bytes: [UInt8], from offset: Int = 0, to end: Int? = nil) {
    self.bytes = bytes
    self.end = min(end ?? bytes.count, bytes.count)
    self.offset = min(offset, self.end)
  }

  var isAtEnd: Bool { offset == end }
  var remaining: Int { end - offset }

  mutating func integer<Number: FixedWidthInteger>(
    _ type: Number.Type, _ field: String
  ) throws(EFIFault) -> Number {
    try need(MemoryLayout<Number>.size, field)
    let number = bytes.littleEndian(type, at: offset)
    offset += MemoryLayout<Number>.size
    return number
  }

  mutating func take(_ count: Int, _ field: String) throws(EFIFault) -> [UInt8] {
    try need(count, field)
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }

  mutating func guid(_ field: String) throws(EFIFault) -> GUID {
    let place = offset
    guard let guid = GUID(littleEndian: try take(16, field)) else {
      throw EFIFault(at: place, "\(field) is not a GUID")
    }
    return guid
  }

  /// Reads UTF-16 up to its NUL, which is taken too.
  mutating func terminatedText(_ field: String) throws(EFIFault) -> String {
    let place = offset
    var units: [UInt16] = []
    while true {
      guard remaining >= 2 else { throw EFIFault(at: place, "\(field) has no end") }
      let unit = try integer(UInt16.self, field)
      if unit == 0 { break }
      units.append(unit)
    }
    guard let text = String(exactly: units) else { throw EFIFault(at: place, "\(field) is not UTF-16") }
    return text
  }

  mutating func rest() -> [UInt8] {
    defer { offset = end }
    return Array(bytes[offset..<end])
  }

  private func need(_ count: Int, _ field: String) throws(EFIFault) {
    guard count >= 0, count <= remaining else {
      throw EFIFault(at: offset, "\(field) needs \(count) bytes, and \(remaining) are left")
    }
  }
}

extension [UInt8] {
  /// A little-endian number; the caller has checked that it is inside.
  func littleEndian<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number {
    precondition(offset >= 0 && offset + MemoryLayout<Number>.size <= count)
    return withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
  }

  mutating func append(terminated text: String) {
    for unit in text.utf16 { append(littleEndian: unit) }
    append(littleEndian: UInt16(0))
  }

  /// The sum of all 16-bit words up to an offset that lies inside (PI 1.7, volume 3, 3.2.1).
  func sum16(to end: Int) -> UInt16 {
    withUnsafeBytes { bytes in
      var sum: UInt16 = 0
      var offset = 0
      while offset < end {
        sum &+= UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
        offset += 2
      }
      return sum
    }
  }

  /// The first byte of a range that is not 0xff, as erased flash is; the range lies inside.
  func firstNotErased(in range: Range<Int>) -> Int? {
    withUnsafeBytes { bytes in
      var offset = range.lowerBound
      // Eight at a time: stores are mostly erased, and checks run on every one.
      while offset + 8 <= range.upperBound,
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == .max
      { offset += 8 }
      while offset < range.upperBound {
        if bytes[offset] != 0xff { return offset }
        offset += 1
      }
      return nil
    }
  }
}

extension GUID {
  /// A GUID in the byte order of GPT and EFI; nil unless there are sixteen bytes.
  package init?(littleEndian bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.init(
      bytes: [bytes[3], bytes[2], bytes[1], bytes[0], bytes[5], bytes[4], bytes[7], bytes[6]] + bytes[8...])
  }
}

extension String {
  /// Text of UTF-16 units; nil when a surrogate stands alone, which no round trip would keep.
  init?(exactly units: [UInt16]) {
    let text = String(decoding: units, as: UTF16.self)
    guard text.utf16.elementsEqual(units) else { return nil }
    self = text
  }
}

/// A number as the UEFI text forms have it: 0x and lower-case digits.
func hex(_ number: some BinaryInteger) -> String { "0x" + String(number, radix: 16) }

/// Bytes as the UEFI text forms have them.
func hex(_ bytes: some Sequence<UInt8>) -> String { Hexadecimal.text(bytes) }
