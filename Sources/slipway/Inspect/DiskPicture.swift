internal import ImageBuilder
internal import ImageModel

/// The partitions of a disk as a picture, as wide as they are large, with their free space.
enum DiskPicture {
  /// Units of the picture, which takes any width.
  private static let width = 1000.0
  private static let height = 80.0
  /// What a partition has at least, to be seen.
  private static let smallest = 14.0
  /// More cannot be told apart.
  private static let most = 48

  /// What a piece of the disk is, which is its colour's class and its word.
  private enum Piece: String, CaseIterable {
    case boot = "boot partition"
    case ext = "ext2 to ext4"
    case other = "another filesystem"
    case swap
    case unknown = "no known content"
    case gap = "in no partition"

    var style: String {
      switch self {
      case .boot: "boot"
      case .ext: "ext"
      case .other: "other"
      case .swap: "swap"
      case .unknown: "none"
      case .gap: "gap"
      }
    }
  }

  static func html(_ disk: DiskReport) -> [HTML] {
    let pieces = pieces(of: disk)
    guard !pieces.isEmpty else { return [] }
    let widths = widths(of: pieces.map { Double($0.size) })
    var shapes: [HTML] = []
    var place = 0.0
    for (piece, width) in zip(pieces, widths) {
      shapes += shape(piece.kind, piece.partition, at: place, width)
      place += width
    }
    let words = "The disk's \(disk.partitions.count) partitions in their order and size"
    let picture = HTML(
      "svg",
      [("viewBox", "0 0 \(text(Self.width)) \(text(height))"), ("role", "img"), ("aria-label", words)],
      shapes)
    let kinds = Piece.allCases.filter { kind in pieces.contains { $0.kind == kind } }
    let keys =
      kinds.map { kind in
        HTML("li", [], [HTML("span", [("class", "key \(kind.style)")]), HTML(text: kind.rawValue)])
      } + [HTML("li", text: "pale: free")]
    return [picture, HTML("ul", [("class", "keys")], keys)]
  }

  private static func pieces(
    of disk: DiskReport
  ) -> [(kind: Piece, size: UInt64, partition: PartitionReport?)] {
    var pieces: [(kind: Piece, size: UInt64, partition: PartitionReport?)] = []
    var end: UInt64 = 0
    // An alignment of a mebibyte is no gap that anybody looks for.
    func gap(to start: UInt64) -> UInt64? { start > end && start - end > 4 << 20 ? start - end : nil }
    let sorted = disk.partitions.filter { $0.size > 0 }.sorted { $0.start < $1.start }
    for partition in sorted.prefix(most) where partition.start >= end && partition.start < disk.size {
      if let size = gap(to: partition.start) { pieces.append((.gap, size, nil)) }
      let size = min(partition.size, disk.size - partition.start)
      pieces.append((kind(of: partition), size, partition))
      end = partition.start + size
    }
    if let size = gap(to: disk.size) { pieces.append((.gap, size, nil)) }
    return pieces
  }

  private static func kind(of partition: PartitionReport) -> Piece {
    switch partition.content.kind {
    case "FAT", "vfat": .boot
    case "ext2", "ext3", "ext4": .ext
    case "swap": .swap
    case "unknown": .unknown
    default: .other
    }
  }

  /// In proportion, but for what would be too small to be seen.
  private static func widths(of sizes: [Double]) -> [Double] {
    let total = max(sizes.reduce(0, +), 1)
    let wished = sizes.map { max($0 / total * width, smallest) }
    let excess = wished.reduce(0, +) - width
    guard excess > 0 else { return wished }
    let large = wished.filter { $0 > smallest }.reduce(0) { $0 + $1 - smallest }
    guard large > 0 else { return wished }
    return wished.map { $0 > smallest ? smallest + ($0 - smallest) * max(large - excess, 0) / large : $0 }
  }

  private static func shape(_ kind: Piece, _ partition: PartitionReport?, at place: Double, _ width: Double)
    -> [HTML]
  {
    func box(_ style: String, _ place: Double, _ width: Double, _ title: String?) -> HTML {
      let attributes = [
        ("class", style), ("x", text(place)), ("y", "0"), ("width", text(max(width, 0))),
        ("height", text(height)),
      ]
      guard let title else { return HTML("rect", attributes) }
      return HTML("g", [], [HTML("title", text: title), HTML("rect", attributes)])
    }
    // A line of the background between two partitions.
    let inner = max(width - 3, 1)
    guard let partition else { return [box(kind.style, place, inner, nil)] }
    let title = "partition \(partition.number): \(ByteSize(bytes: partition.size)), \(partition.content.kind)"
    var shapes = [box(kind.style, place, inner, title)]
    if let free = partition.content.free, let size = partition.content.size, size > 0, free <= size {
      let part = inner * Double(free) / Double(size)
      shapes.append(box("free", place + inner - part, part, nil))
    }
    if inner > 30, partition.number > 0 {
      shapes.append(
        HTML(
          "text", [("x", text(place + min(inner / 2, 40))), ("y", text(height / 2))],
          text: "\(partition.number)"))
    }
    return shapes
  }

  /// With one decimal, in any locale.
  private static func text(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
  }
}
