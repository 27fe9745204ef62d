internal import Basics

extension SealRule {
  /// Accounts by their numbers. NixOS writes `shadow`, `subuid` and `subgid` in the order of a hash.
  static let accounts = SealRule(
    paths: ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"]
  ) { files in
    func table(_ path: String, fields: Int, numbers: [Int]) throws -> AccountTable? {
      try files.content(path).flatMap { AccountTable($0, fields: fields, numbers: numbers) }
    }
    let users = try table("/etc/passwd", fields: 7, numbers: [2, 3])
    let groups = try table("/etc/group", fields: 4, numbers: [2])
    let (userNumbers, groupNumbers) = (users?.numbers(at: 2) ?? [:], groups?.numbers(at: 2) ?? [:])
    let sorted: [(String, AccountTable?)] = [
      ("/etc/passwd", users?.sorted(by: userNumbers)),
      ("/etc/group", groups?.sorted(by: groupNumbers)),
      ("/etc/shadow", try table("/etc/shadow", fields: 9, numbers: [])?.sorted(by: userNumbers)),
      ("/etc/gshadow", try table("/etc/gshadow", fields: 4, numbers: [])?.sorted(by: groupNumbers)),
      // Ranges are those of users, for numbers of groups as well.
      ("/etc/subuid", try table("/etc/subuid", fields: 3, numbers: [1, 2])?.sorted(by: userNumbers)),
      ("/etc/subgid", try table("/etc/subgid", fields: 3, numbers: [1, 2])?.sorted(by: userNumbers)),
    ]
    return sorted.compactMap { path, table in table.map { Edit(path: path, kind: .content($0.bytes)) } }
  }
}

/// Lines with fields between colons, the first of which is a name (passwd(5), group(5), shadow(5), subuid(5)).
struct AccountTable {
  private struct Line {
    var bytes: ArraySlice<UInt8>
    var fields: [ArraySlice<UInt8>]
  }

  private var lines: [Line]
  private let endsInNewline: Bool

  /// Nil where a line is anything else, such as an entry of NIS (`+::::::`), whose place among the others counts.
  ///
  /// - Parameter numbers: which of the fields are decimal numbers of 32 bits.
  init?(_ bytes: [UInt8], fields count: Int, numbers: [Int]) {
    endsInNewline = bytes.last == UInt8(ascii: "\n")
    var rest = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if rest.last?.isEmpty == true { rest.removeLast() }
    lines = []
    for line in rest {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      guard fields.count == count, let first = fields[0].first, first != UInt8(ascii: "+"),
        first != UInt8(ascii: "-"), first != UInt8(ascii: "#"),
        numbers.allSatisfy({ Self.number(fields[$0]) != nil })
      else { return nil }
      lines.append(Line(bytes: line, fields: fields))
    }
  }

  /// The number of each name; of a name that is there twice, the first, as everybody who looks it up finds it.
  func numbers(at field: Int) -> [[UInt8]: UInt32] {
    Dictionary(
      lines.compactMap { line in Self.number(line.fields[field]).map { (Array(line.fields[0]), $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// By number, then by name; names without a number come last.
  func sorted(by numbers: [[UInt8]: UInt32]) -> AccountTable {
    var table = self
    table.lines = lines.enumerated().map { index, line in
      (
        line: line, index: index,
        number: numbers[Array(line.fields[0])] ?? Self.number(line.fields[0]) ?? .max
      )
    }.sorted { left, right in
      if left.number != right.number { return left.number < right.number }
      let (first, second) = (left.line.fields[0], right.line.fields[0])
      if first != second { return first.lexicographicallyPrecedes(second) }
      // Of two entries of one name the first counts.
      return left.index < right.index
    }.map(\.line)
    return table
  }

  var bytes: [UInt8] {
    Array(lines.map(\.bytes).joined(separator: [UInt8(ascii: "\n")]))
      + (endsInNewline ? [UInt8(ascii: "\n")] : [])
  }

  private static func number(_ field: ArraySlice<UInt8>) -> UInt32? {
    guard !field.isEmpty, field.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return UInt32(String(decoding: field, as: UTF8.self))
  }
}
