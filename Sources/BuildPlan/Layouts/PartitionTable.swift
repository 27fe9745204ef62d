/// A layout of make-disk-image's `partitionTableType`. Each is one value in a file beside this one, and one entry of
/// `Layout.all`.
public struct PartitionTable: RawRepresentable, Hashable, Codable, Sendable, CaseIterable {
  /// Its name in a spec.
  public let rawValue: String

  /// - Returns: nil for a name that no layout has.
  public init?(rawValue: String) {
    guard let table = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = table
  }

  init(_ name: String) { rawValue = name }

  /// Every layout.
  public static let allCases: [PartitionTable] = Layout.all.map(\.table)

  /// Those whose layouts have a property, as a remedy names them.
  static func choice(_ has: KeyPath<Layout, Bool>) -> String {
    let names = Layout.all.filter { $0[keyPath: has] }.map { "\"\($0.table.rawValue)\"" }
    return names.dropLast().joined(separator: ", ") + " or \(names.last ?? "")"
  }

  /// What is known of it.
  var layout: Layout { .of(self) }
}
