/// One thing in which two images, output folders or variable stores differ.
public struct ImageDifference: Hashable, Codable, Sendable {
  /// What it is a part of, such as "partition table" or "partition 2 (ext4)".
  public var region: String
  /// What in the region, such as a file's path; nil for the region itself.
  public var path: String?
  /// Which property of it.
  public var field: String
  /// The property's value on the left; nil for what is on the right only.
  public var left: String?
  /// The property's value on the right; nil for what is on the left only.
  public var right: String?
  /// The offset of the first byte that differs, in the region or in the file; nil where bytes are not what is compared.
  public var offset: UInt64?
  /// How many bytes differ; nil where they are not counted.
  public var count: UInt64?

  init(
    region: String, path: String? = nil, field: String, left: String?, right: String?, offset: UInt64? = nil,
    count: UInt64? = nil
  ) {
    self.region = region
    self.path = path
    self.field = field
    self.left = left
    self.right = right
    self.offset = offset
    self.count = count
  }
}

/// What a comparison found.
public struct ImageDifferences: Hashable, Codable, Sendable {
  /// The differences, region by region.
  public var differences: [ImageDifference]
  /// How many more there are than are listed.
  public var omitted: UInt64
  /// What could not be told apart, and why.
  public var notes: [String]

  /// Whether both are equal, byte by byte.
  public var isEmpty: Bool { differences.isEmpty && omitted == 0 }

  init(differences: [ImageDifference] = [], omitted: UInt64 = 0, notes: [String] = []) {
    self.differences = differences
    self.omitted = omitted
    self.notes = notes
  }

  mutating func add(_ other: ImageDifferences) {
    differences += other.differences
    omitted += other.omitted
    notes += other.notes
  }
}
