internal import Foundation
internal import ImageBuilder

/// Differences as lines for people: a line for each region, and below it one for each difference.
enum DiffText {
  /// - Parameter limit: how many differences are shown; of the rest there is the number.
  static func lines(_ result: ImageDifferences, limit: Int) -> [String] {
    var lines: [String] = []
    var region: String?
    for difference in result.differences.prefix(limit) {
      if difference.region != region { lines.append(difference.region) }
      region = difference.region
      lines.append("  " + line(difference))
    }
    let rest = UInt64(max(result.differences.count - limit, 0)) + result.omitted
    if rest > 0 { lines.append("… and \(rest) more") }
    return lines
  }

  /// All of them, as sorted, indented JSON.
  static func json(_ result: ImageDifferences) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(result), as: UTF8.self) + "\n"
  }

  private static func line(_ difference: ImageDifference) -> String {
    let subject = difference.path.map { "\($0): " } ?? ""
    let place = [
      difference.offset.map { "from byte \($0)" }, difference.count.map { "\($0) differ" },
    ].compactMap(\.self).joined(separator: ", ")
    let field = difference.field + (place.isEmpty ? "" : " (\(place))")
    switch (difference.left, difference.right) {
    case (let left?, let right?): return "\(subject)\(field): \(left) → \(right)"
    case (let left?, nil): return "\(subject)\(field): \(left), on the left only"
    case (nil, let right?): return "\(subject)\(field): \(right), on the right only"
    case (nil, nil): return "\(subject)\(field)"
    }
  }
}
