internal import Basics
internal import ImageModel

/// One field of a structure on a disk, little-endian.
package struct RecordField: Sendable {
  /// How its value is written for people.
  package enum Kind: Sendable {
    case number, hexadecimal, octal
    /// Text that zeros end.
    case text
    /// Text in UTF-16 that a zero ends.
    case wideText
    /// Bytes in the order of the GUID's text.
    case guid
    /// Bytes in the order of a GPT.
    case littleEndianGUID
    /// Seconds since 1970; a second part has two more bits of them, and above those nanoseconds.
    case time
    /// FAT's time in steps of two seconds, and its date behind it; or the date alone.
    case fatTime
    case bytes
  }

  package var name: String
  /// Offsets and sizes in the record, the least significant part first.
  var parts: [(offset: Int, size: Int)]
  var kind: Kind
  /// Whether it follows from the rest of the record or from what the record describes, as a checksum does. A difference of
  /// it is said when nothing else of the record differs.
  var isDerived: Bool

  package init(
    _ name: String, _ offset: Int, _ size: Int, _ kind: Kind = .number, high: (Int, Int)? = nil,
    isDerived: Bool = false
  ) {
    self.name = name
    parts = [(offset, size)] + (high.map { [$0] } ?? [])
    self.kind = kind
    self.isDerived = isDerived
  }

  /// The field's bytes; zeros where a record is too short to have it.
  func bytes(in record: [UInt8]) -> [UInt8] {
    parts.flatMap { part in
      (part.offset..<part.offset + part.size).map { $0 < record.count ? record[$0] : 0 }
    }
  }

  /// The field's value, for people.
  func text(in record: [UInt8]) -> String {
    let bytes = bytes(in: record)
    switch kind {
    case .number where bytes.count <= 8: return "\(bytes.littleEndian(at: 0, bytes.count))"
    case .hexadecimal where bytes.count <= 8:
      return "0x" + String(bytes.littleEndian(at: 0, bytes.count), radix: 16)
    case .octal where bytes.count <= 8: return "0" + String(bytes.littleEndian(at: 0, bytes.count), radix: 8)
    case .text: return printableName(Array(bytes.prefix { $0 != 0 }))
    case .wideText:
      let units = stride(from: 0, to: bytes.count - 1, by: 2).map {
        UInt16(truncatingIfNeeded: bytes.littleEndian(at: $0, 2))
      }
      return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
    case .guid: return GUID(bytes: bytes)?.description ?? Hexadecimal.text(bytes)
    case .littleEndianGUID:
      // The order of a GPT is its own inverse.
      let ordered = GUID(bytes: bytes).flatMap { GUID(bytes: $0.littleEndianBytes) }
      return ordered?.description ?? Hexadecimal.text(bytes)
    case .time:
      let seconds = Int64(Int32(truncatingIfNeeded: bytes.littleEndian(at: 0, 4)))
      let extra = bytes.littleEndian(at: 4, 4)
      guard bytes.count == 8 else { return "\(seconds)" }
      let fraction = "\(extra >> 2)"
      return "\(seconds + Int64(extra & 3) << 32)."
        + String(repeating: "0", count: max(9 - fraction.count, 0)) + fraction
    case .fatTime:
      let date = bytes.littleEndian(at: bytes.count - 2, 2)
      let day = "\(1980 + date >> 9)-\(two(date >> 5 & 15))-\(two(date & 31))"
      guard bytes.count == 4 else { return day }
      let time = bytes.littleEndian(at: 0, 2)
      return "\(day) \(two(time >> 11)):\(two(time >> 5 & 63)):\(two((time & 31) * 2))"
    default: return Hexadecimal.text(bytes)
    }
  }

  private func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

/// A field that two records have different values in.
package struct FieldDifference: Hashable, Sendable {
  package var field: String
  package var left: String
  package var right: String

  package init(_ field: String, _ left: String, _ right: String) {
    self.field = field
    self.left = left
    self.right = right
  }
}

/// The fields of one kind of record.
package struct RecordLayout: Sendable {
  var fields: [RecordField]

  package init(fields: [RecordField]) {
    self.fields = fields
  }

  /// How two records differ: by their fields, and as bytes where no field is. What is derived is left out where anything
  /// else differs.
  package func differences(_ left: [UInt8], _ right: [UInt8]) -> [FieldDifference] {
    let (own, derived) = allDifferences(left, right)
    return own.isEmpty ? derived : own
  }

  /// The same with what is derived in a list of its own.
  ///
  /// - Parameter ignored: bytes of the record that are compared elsewhere.
  package func allDifferences(
    _ left: [UInt8], _ right: [UInt8], ignoring ignored: Range<Int> = 0..<0
  ) -> (own: [FieldDifference], derived: [FieldDifference]) {
    guard left != right else { return ([], []) }
    var own: [FieldDifference] = []
    var derived: [FieldDifference] = []
    var covered = Set(ignored)
    for field in fields {
      for part in field.parts { covered.formUnion(part.offset..<part.offset + part.size) }
      guard field.bytes(in: left) != field.bytes(in: right) else { continue }
      var texts = (field.text(in: left), field.text(in: right))
      if texts.0 == texts.1 {
        texts = (Hexadecimal.text(field.bytes(in: left)), Hexadecimal.text(field.bytes(in: right)))
      }
      let difference = FieldDifference(field.name, texts.0, texts.1)
      if field.isDerived { derived.append(difference) } else { own.append(difference) }
    }
    func byte(_ record: [UInt8], _ index: Int) -> UInt8 { index < record.count ? record[index] : 0 }
    for index in 0..<max(left.count, right.count)
    where byte(left, index) != byte(right, index) && !covered.contains(index) {
      own.append(
        FieldDifference(
          "byte \(index)", Hexadecimal.text([byte(left, index)]), Hexadecimal.text([byte(right, index)])))
    }
    return (own, derived)
  }
}

/// A name from a disk as text: what is not UTF-8 in it is spelled out.
package func printableName(_ bytes: [UInt8]) -> String {
  if let text = String(validating: bytes, as: UTF8.self) { return text }
  return bytes.map { byte in
    (0x20..<0x7f).contains(byte) ? String(UnicodeScalar(byte)) : "\\x" + Hexadecimal.text([byte])
  }.joined()
}

/// A structure on a disk that is not what its format says, or more than is read of one.
package struct UnreadableStructure: Error, Hashable, CustomStringConvertible {
  /// Why, such as "its superblock has no known block size".
  package var reason: String

  package init(_ reason: String) {
    self.reason = reason
  }

  package var description: String { reason }
}
