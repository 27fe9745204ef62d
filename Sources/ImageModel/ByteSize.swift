/// An amount of storage, in bytes.
///
/// The text form is what make-disk-image and QEMU take: a number and an optional suffix `K`, `M`, `G`, `T`
/// (powers of 1024, also spelled `KiB`, `MiB`, …).
public struct ByteSize: Hashable, Sendable, Comparable {
  /// The amount, in bytes.
  public var bytes: UInt64

  /// Wraps a number of bytes.
  public init(bytes: UInt64) {
    self.bytes = bytes
  }

  /// `count` binary mebibytes.
  public static func mebibytes(_ count: UInt64) -> ByteSize {
    ByteSize(bytes: count << 20)
  }

  /// Reads `512M`, `4GiB`, `1048576`; nil for anything else, negative and overflowing amounts included.
  public init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = UInt64(digits) else { return nil }
    var suffix = text[digits.endIndex...].uppercased()
    if suffix.hasSuffix("IB"), suffix.count == 3 { suffix.removeLast(2) }
    guard let power = ["", "K", "M", "G", "T"].firstIndex(of: suffix) else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (10 * UInt64(power)))
    guard !overflow else { return nil }
    self.bytes = bytes
  }

  /// The smallest multiple of `unit` bytes that holds this amount.
  public func rounded(upTo unit: UInt64) -> ByteSize {
    ByteSize(bytes: (bytes + unit - 1) / unit * unit)
  }

  /// Orders by the number of bytes.
  public static func < (left: ByteSize, right: ByteSize) -> Bool {
    left.bytes < right.bytes
  }

  /// The sum of two amounts.
  public static func + (left: ByteSize, right: ByteSize) -> ByteSize {
    ByteSize(bytes: left.bytes + right.bytes)
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
