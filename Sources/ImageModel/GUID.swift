internal import Basics

/// A 128-bit identifier as GPT, filesystems and EFI use it (RFC 4122; UEFI 2.10, appendix A).
///
/// Bytes are kept in the order of the text form. The text form is strict: 8-4-4-4-12 hexadecimal digits.
public struct GUID: Hashable, Sendable {
  /// Sixteen bytes, in the order of the text form.
  public let bytes: [UInt8]

  /// Wraps sixteen bytes; nil for any other count.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// The GUID whose text form, without its dashes, is these two numbers in hexadecimal.
  public init(high: UInt64, low: UInt64) {
    bytes = [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
  }

  /// Reads the text form in either case; nil unless every group has its exact number of digits.
  ///
  /// `sgdisk` and others quietly take a short last group and end up with another GUID; this does not.
  public init?(_ text: String) {
    let groups = text.split(separator: "-", omittingEmptySubsequences: false)
    guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
    guard let bytes = Hexadecimal.bytes(groups.joined()) else { return nil }
    self.bytes = bytes
  }

  /// The on-disk order of GPT and EFI: the first three groups little-endian.
  public var littleEndianBytes: [UInt8] {
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map { bytes[$0] }
  }
}

extension GUID: CustomStringConvertible {
  /// The lower-case text form.
  public var description: String {
    let text = Hexadecimal.text(bytes).utf8
    var rest = text[...]
    return [8, 4, 4, 4, 12].map { count in
      defer { rest = rest.dropFirst(count) }
      return String(rest.prefix(count)) ?? ""
    }.joined(separator: "-")
  }
}

extension GUID: Codable {
  /// Decodes the text form; throws `DecodingError.dataCorrupted` when it is malformed.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let guid = GUID(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(text)' is not a GUID: 8-4-4-4-12 hexadecimal digits are needed")
    }
    self = guid
  }

  /// Encodes the lower-case text form.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
