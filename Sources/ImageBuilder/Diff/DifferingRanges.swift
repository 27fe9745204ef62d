internal import Basics
internal import Glibc

/// Where two disks, or parts of them, have different bytes: ascending, apart from each other, in units of 512 bytes, counted
/// from the beginning of the parts.
struct DifferingRanges {
  private(set) var ranges: [Range<UInt64>]

  var isEmpty: Bool { ranges.isEmpty }

  private static let piece = 1 << 20
  private static let unit = 512

  /// Reads both once; what is a hole in both is not read.
  ///
  /// - Throws: `Errno`; `CancellationError`.
  init(
    _ left: DiskFile, at leftStart: UInt64 = 0, _ right: DiskFile, at rightStart: UInt64 = 0, count: UInt64
  ) throws {
    var ranges: [Range<UInt64>] = []
    let one = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.piece, alignment: 4096)
    let other = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.piece, alignment: 4096)
    defer {
      one.deallocate()
      other.deallocate()
    }
    var position: UInt64 = 0
    while position < count {
      try Cancellation.check()
      // Data behind the part ends the search as well as none at all.
      let next = try [left.nextData(from: leftStart + position), right.nextData(from: rightStart + position)]
      let starts = zip(next, [leftStart, rightStart]).compactMap { $0.0.map { [base = $0.1] in $0 - base } }
      guard let data = starts.min(), data < count else { break }
      position = max(position, data / UInt64(Self.unit) * UInt64(Self.unit))
      let length = Int(min(UInt64(Self.piece), count - position))
      try Self.fill(one, from: left, at: leftStart + position, length)
      try Self.fill(other, from: right, at: rightStart + position, length)
      Self.compare(one, other, length, at: position, into: &ranges)
      position += UInt64(length)
    }
    self.ranges = ranges
  }

  init(_ ranges: [Range<UInt64>]) {
    self.ranges = ranges
  }

  /// What is past the end of a disk reads as zeros.
  private static func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from disk: DiskFile, at offset: UInt64, _ length: Int
  ) throws {
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
    let count = try disk.read(into: target, at: offset)
    UnsafeMutableRawBufferPointer(rebasing: target[count...]).initializeMemory(as: UInt8.self, repeating: 0)
  }

  private static func compare(
    _ one: UnsafeMutableRawBufferPointer, _ other: UnsafeMutableRawBufferPointer, _ length: Int,
    at position: UInt64, into ranges: inout [Range<UInt64>]
  ) {
    guard let one = one.baseAddress, let other = other.baseAddress, memcmp(one, other, length) != 0 else {
      return
    }
    for start in stride(from: 0, to: length, by: unit) {
      let size = min(unit, length - start)
      guard memcmp(one + start, other + start, size) != 0 else { continue }
      let place = position + UInt64(start)
      if let last = ranges.last, last.upperBound == place {
        ranges[ranges.count - 1] = last.lowerBound..<place + UInt64(size)
      } else {
        ranges.append(place..<place + UInt64(size))
      }
    }
  }

  /// The index of the first range that ends behind an offset.
  private func index(behind offset: UInt64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > offset { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func intersects(_ place: Range<UInt64>) -> Bool {
    let index = index(behind: place.lowerBound)
    return index < ranges.count && ranges[index].lowerBound < place.upperBound && !place.isEmpty
  }

  /// What of it is in a place.
  func within(_ place: Range<UInt64>) -> [Range<UInt64>] {
    guard !place.isEmpty else { return [] }
    return ranges[index(behind: place.lowerBound)...].prefix { $0.lowerBound < place.upperBound }
      .map { $0.clamped(to: place) }
  }

  /// What of it is in a part of the disk, counted from the part's beginning.
  func part(_ place: Range<UInt64>) -> DifferingRanges {
    DifferingRanges(
      within(place).map { $0.lowerBound - place.lowerBound..<$0.upperBound - place.lowerBound })
  }

  /// What of it is in none of some places, which may be in any order and overlap.
  func subtracting(_ places: [Range<UInt64>]) -> DifferingRanges {
    var rest: [Range<UInt64>] = []
    let places = places.filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
    var next = 0
    for range in ranges {
      var start = range.lowerBound
      while next < places.count, places[next].upperBound <= start { next += 1 }
      var index = next
      while index < places.count, places[index].lowerBound < range.upperBound, start < range.upperBound {
        if places[index].lowerBound > start { rest.append(start..<places[index].lowerBound) }
        start = max(start, places[index].upperBound)
        index += 1
      }
      if start < range.upperBound { rest.append(start..<range.upperBound) }
    }
    return DifferingRanges(rest)
  }
}
