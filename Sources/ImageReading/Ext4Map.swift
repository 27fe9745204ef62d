internal import Basics
internal import ImageModel

extension Ext4Filesystem {
  /// The blocks of an inode.
  ///
  /// - Throws: `UnreadableStructure` for a map that leads out of the filesystem or is deeper than any.
  package func map(of inode: Ext4Inode) throws -> Ext4Map {
    guard !inode.hasNoBlocks else { return Ext4Map() }
    var map = Ext4Map()
    if inode.hasExtents {
      try readExtents(inode.mapBytes, depth: nil, into: &map)
    } else {
      try readPointers(inode.mapBytes, into: &map)
    }
    return map
  }

  private func readExtents(_ node: [UInt8], depth expected: UInt64?, into map: inout Ext4Map) throws {
    let (count, depth) = (Int(node.littleEndian(at: 2, 2)), node.littleEndian(at: 6, 2))
    guard node.littleEndian(at: 0, 2) == 0xf30a, count <= (node.count - 12) / 12, depth <= 5,
      expected == nil || depth == expected
    else { throw UnreadableStructure("it has a damaged map of extents") }
    for index in 0..<count {
      let entry = 12 + 12 * index
      if depth == 0 {
        let length = node.littleEndian(at: entry + 4, 2)
        let physical = node.littleEndian(at: entry + 8, 4) | node.littleEndian(at: entry + 6, 2) << 32
        let extent = Ext4Extent(
          logical: node.littleEndian(at: entry, 4), physical: physical,
          count: length > 32768 ? length - 32768 : length, isUnwritten: length > 32768)
        let end = map.extents.last.map { $0.logical + $0.count } ?? 0
        guard extent.logical >= end, extent.count > 0, physical < blocks, extent.count <= blocks - physical
        else { throw UnreadableStructure("it has a damaged map of extents") }
        try append(extent, to: &map)
      } else {
        let block = node.littleEndian(at: entry + 4, 4) | node.littleEndian(at: entry + 8, 2) << 32
        map.nodes.append(block)
        try readExtents(try bytes(ofBlock: block), depth: depth - 1, into: &map)
      }
    }
  }

  private func append(_ extent: Ext4Extent, to map: inout Ext4Map) throws {
    guard UInt64(map.extents.count) < blocks else {
      throw UnreadableStructure("it has a damaged map of blocks")
    }
    map.extents.append(extent)
  }

  /// Twelve blocks, and one each of blocks of blocks, to the third degree.
  private func readPointers(_ pointers: [UInt8], into map: inout Ext4Map) throws {
    var logical: UInt64 = 0
    for index in 0..<15 {
      let block = pointers.littleEndian(at: 4 * index, 4)
      try follow(block, degree: max(index - 11, 0), at: &logical, into: &map)
    }
  }

  private func follow(_ block: UInt64, degree: Int, at logical: inout UInt64, into map: inout Ext4Map) throws
  {
    let pointers = blockSize / 4
    guard block != 0 else {
      logical += (0..<degree).reduce(1) { count, _ in count * pointers }
      return
    }
    guard block < blocks else { throw UnreadableStructure("it leads to block \(block), and has \(blocks)") }
    guard degree > 0 else {
      if let last = map.extents.last, last.logical + last.count == logical,
        last.physical + last.count == block
      {
        map.extents[map.extents.count - 1].count += 1
      } else {
        try append(
          Ext4Extent(logical: logical, physical: block, count: 1, isUnwritten: false), to: &map)
      }
      logical += 1
      return
    }
    map.nodes.append(block)
    let node = try bytes(ofBlock: block)
    for index in 0..<Int(pointers) {
      try follow(node.littleEndian(at: 4 * index, 4), degree: degree - 1, at: &logical, into: &map)
    }
  }

  /// A part of a file's content. Holes read as zeros.
  ///
  /// - Parameter count: bytes, at most 16 MiB.
  package func content(_ map: Ext4Map, at offset: UInt64, count: Int) throws -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let end = offset + UInt64(count)
    // They are in ascending order, and there may be very many.
    var (low, high) = (0, map.extents.count)
    while low < high {
      let middle = (low + high) / 2
      let extent = map.extents[middle]
      if (extent.logical + extent.count) * blockSize > offset { high = middle } else { low = middle + 1 }
    }
    for extent in map.extents[low...] {
      let start = extent.logical * blockSize
      let stop = start + extent.count * blockSize
      guard start < end else { break }
      guard !extent.isUnwritten else { continue }
      let (from, to) = (max(start, offset), min(stop, end))
      try spend((to - from) / blockSize + 1)
      let bytes = try disk.bytes(Int(to - from), at: extent.physical * blockSize + (from - start))
      guard bytes.count == Int(to - from) else { throw UnreadableStructure("it is cut short") }
      result.replace(at: Int(from - offset), by: bytes)
    }
    return result
  }
}
