internal import ImageModel

extension PartitionTable {
  /// A disk that is one filesystem.
  public static let none = PartitionTable("none")
}

extension Layout {
  static let none = Layout(table: .none, format: .none)
}
