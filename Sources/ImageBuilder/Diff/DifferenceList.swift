internal import Basics
internal import ImageModel
internal import ImageReading

/// The differences that were found so far. Any number may follow from hostile images: those past a limit are counted.
final class DifferenceList {
  private(set) var result = ImageDifferences()

  private static let limit = 20_000

  func add(_ difference: ImageDifference) {
    if result.differences.count < Self.limit {
      result.differences.append(difference)
    } else {
      result.omitted += 1
    }
  }

  func add(_ region: String, _ path: String?, _ field: String, _ left: String?, _ right: String?) {
    add(ImageDifference(region: region, path: path, field: field, left: left, right: right))
  }

  func add(_ region: String, _ path: String?, _ fields: [FieldDifference]) {
    for difference in fields { add(region, path, difference.field, difference.left, difference.right) }
  }

  func note(_ text: String) {
    if result.notes.count < 100 { result.notes.append(text) }
  }

  var count: Int { result.differences.count + Int(clamping: result.omitted) }

  /// Says where bytes begin to differ, what they are there, and how many do.
  ///
  /// - Parameters:
  ///   - ranges: where they differ, in both.
  ///   - shift: what is taken from an offset in the differences that are said; it wraps where what is said is further behind
  ///     in its file than on the disk.
  func addBytes(
    _ region: String, _ path: String?, field: String = "bytes", _ ranges: [Range<UInt64>],
    _ left: ImageBytes, _ right: ImageBytes, from shift: UInt64 = 0
  ) throws {
    var first: (offset: UInt64, left: [UInt8], right: [UInt8])?
    var count: UInt64 = 0
    for range in ranges {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.piece) {
        try Cancellation.check()
        let length = Int(min(UInt64(Self.piece), range.upperBound - start))
        let one = Self.padded(try left.bytes(length, at: start), length)
        let other = Self.padded(try right.bytes(length, at: start), length)
        guard let index = one.firstDifference(from: other) else { continue }
        if first == nil {
          first = (
            start + UInt64(index), Array(one[index...].prefix(8)), Array(other[index...].prefix(8))
          )
        }
        count += zip(one, other).reduce(into: 0) { $0 += $1.0 == $1.1 ? 0 : 1 }
      }
    }
    guard let first else { return }
    add(
      ImageDifference(
        region: region, path: path, field: field, left: Hexadecimal.text(first.left),
        right: Hexadecimal.text(first.right), offset: first.offset &- shift, count: count))
  }

  private static let piece = 1 << 20

  private static func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    bytes.count == count ? bytes : bytes + Array(repeating: 0, count: count - bytes.count)
  }
}

extension [UInt8] {
  /// The index of the first byte that another array has another one for, or has not; nil for equal ones.
  func firstDifference(from other: [UInt8]) -> Int? {
    if self == other { return nil }
    return zip(indices, zip(self, other)).first { $0.1.0 != $0.1.1 }?.0 ?? Swift.min(count, other.count)
  }
}

/// A value of a list, told apart from those that are equal to it.
struct Numbered<Value: Hashable>: Hashable {
  var value: Value
  /// How many equal ones are in front of it.
  var number: Int
}

extension Sequence where Element: Hashable {
  func numbered() -> [Numbered<Element>] {
    var counts: [Element: Int] = [:]
    return map { value in
      defer { counts[value, default: 0] += 1 }
      return Numbered(value: value, number: counts[value] ?? 0)
    }
  }
}
