/// An amount of storage, in bytes. Sums and multiples stay at the largest amount, 16 EiB, which no limit lets through.
///
/// The text form is what make-disk-image takes, which is that of `numfmt --from=iec`: a number and an optional suffix
/// `K`, `M`, `G`, `T`, `P` or `E` (powers of 1024, also spelled `Ki`, `KiB`, `Mi`, …). The number may have a fraction, as
/// `1.5G`; a part of a byte counts as a whole one.
public struct ByteSize: Hashable, Sendable, Comparable {
  /// The amount, in bytes.
  public var bytes: UInt64

  /// Wraps a number of bytes.
  public init(bytes: UInt64) {
    self.bytes = bytes
  }

  /// `count` binary mebibytes.
  public static func mebibytes(_ count: UInt64) -> ByteSize {
    ByteSize(count, times: 1 << 20)
  }

  /// `count` pieces of `size` bytes.
  public init(_ count: UInt64, times size: UInt64) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    self.bytes = overflow ? .max : bytes
  }

  /// Reads `512M`, `1.5G`, `4GiB`, `1048576`; nil for anything else, negative and overflowing amounts included.
  public init?(_ text: String) {
    let isDigit = { (character: Character) in character.isASCII && character.isNumber }
    let whole = text.prefix(while: isDigit)
    var rest = text[whole.endIndex...]
    var fraction: Substring = ""
    if rest.first == "." {
      fraction = rest.dropFirst().prefix(while: isDigit)
      // More digits than a byte of the largest unit can need.
      guard !fraction.isEmpty, fraction.count <= 18 else { return nil }
      rest = rest[fraction.endIndex...]
    }
    guard let unit = Self.unit(rest), !whole.isEmpty || !fraction.isEmpty,
      let number = whole.isEmpty ? 0 : UInt64(whole)
    else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
    let (sum, tooLarge) = bytes.addingReportingOverflow(Self.part(fraction, of: unit))
    guard !overflow, !tooLarge else { return nil }
    self.bytes = sum
  }

  /// The bytes of a suffix; nil for one that is not known.
  private static func unit(_ suffix: Substring) -> UInt64? {
    var suffix = suffix.uppercased()
    if suffix.count == 3, suffix.hasSuffix("IB") { suffix.removeLast(2) }
    if suffix.count == 2, suffix.hasSuffix("I") { suffix.removeLast() }
    return ["", "K", "M", "G", "T", "P", "E"].firstIndex(of: suffix).map { 1 << (10 * UInt64($0)) }
  }

  /// `0.fraction` of a unit, rounded up. At most 18 digits keep the power of ten within 64 bits.
  private static func part(_ fraction: Substring, of unit: UInt64) -> UInt64 {
    let (digits, power) = fraction.utf8.reduce((UInt64(0), UInt64(1))) { result, digit in
      (result.0 * 10 + UInt64(digit - UInt8(ascii: "0")), result.1 * 10)
    }
    // Less than the unit, as the digits are less than the power: the division cannot overflow.
    let (quotient, remainder) = power.dividingFullWidth(digits.multipliedFullWidth(by: unit))
    return quotient + (remainder > 0 ? 1 : 0)
  }

  /// The smallest multiple of `unit` bytes that holds this amount.
  public func rounded(upTo unit: UInt64) -> ByteSize {
    let rest = bytes % unit
    return rest == 0 ? self : self + ByteSize(bytes: unit - rest)
  }

  /// Orders by the number of bytes.
  public static func < (left: ByteSize, right: ByteSize) -> Bool {
    left.bytes < right.bytes
  }

  /// The sum of two amounts.
  public static func + (left: ByteSize, right: ByteSize) -> ByteSize {
    let (bytes, overflow) = left.bytes.addingReportingOverflow(right.bytes)
    return ByteSize(bytes: overflow ? .max : bytes)
  }
}

extension ByteSize: CustomStringConvertible {
  /// For people: one decimal and a binary unit, or plain bytes below one KiB.
  public var description: String {
    let units = ["KiB", "MiB", "GiB", "TiB"]
    guard bytes >= 1024 else { return "\(bytes) B" }
    var scaled = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024
    var unit = 0
    while scaled >= 10240, unit < units.count - 1 {
      scaled /= 1024
      unit += 1
    }
    return "\(scaled / 10).\(scaled % 10) \(units[unit])"
  }
}

extension ByteSize: Codable {
  /// Decodes a plain number of bytes.
  public init(from decoder: any Decoder) throws {
    bytes = try decoder.singleValueContainer().decode(UInt64.self)
  }

  /// Encodes as a plain number of bytes.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(bytes)
  }
}
