internal import Basics

/// One name in a directory.
package struct Ext4Entry: Hashable, Sendable {
  package var name: [UInt8]
  package var inode: UInt64
  /// The type as the entry has it; 0 where entries have none.
  package var type: UInt8
}

/// One extended attribute.
package struct Ext4Attribute: Hashable, Sendable {
  /// With its namespace, such as `user.mime`.
  package var name: String
  package var value: [UInt8]
}

extension Ext4Filesystem {
  /// The names of a directory in the order of its blocks, without those of itself and of what it is in.
  ///
  /// - Throws: `UnreadableStructure`.
  package func entries(of inode: Ext4Inode, _ map: Ext4Map) throws -> [Ext4Entry] {
    guard inode.isDirectory else { throw UnreadableStructure("inode \(inode.number) is no directory") }
    var entries: [Ext4Entry] = []
    if inode.hasInlineData {
      // The number of the directory above is in the first four bytes.
      try readEntries(Array(inode.mapBytes[4...]), into: &entries)
      let more = try attributes(in: inode).first { $0.name == "system.data" }
      if let more { try readEntries(more.value, into: &entries) }
      return entries
    }
    for extent in map.extents where !extent.isUnwritten {
      for block in extent.physical..<extent.physical + extent.count {
        try readEntries(try bytes(ofBlock: block), into: &entries)
        // One block that is mapped again and again has any number of names.
        guard entries.count <= Self.nameLimit else {
          throw UnreadableStructure("a directory has more than \(Self.nameLimit) names")
        }
      }
    }
    return entries
  }

  private static let nameLimit = 4_000_000

  /// Blocks of an index look like one entry without a name to who does not know it.
  private func readEntries(_ block: [UInt8], into entries: inout [Ext4Entry]) throws {
    let hasTypes = superblock.littleEndian(at: 0x60, 4) & 2 != 0
    try block.withUnsafeBytes { bytes in
      func number(_ offset: Int, _ size: Int) -> Int {
        (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
      }
      var place = 0
      while place <= bytes.count - 8 {
        let raw = number(place + 4, 2)
        // A block of 64 KiB has no number of its own for its length.
        let length = raw == 0xffff || raw == 0 && bytes.count == 65536 ? bytes.count - place : raw
        let nameLength = hasTypes ? Int(bytes[place + 6]) : number(place + 6, 2)
        guard length >= 8, length <= bytes.count - place, nameLength <= length - 8 else {
          throw UnreadableStructure("it has a damaged directory")
        }
        let inode = number(place, 4)
        if inode != 0, nameLength > 0 {
          let name = Array(bytes[place + 8..<place + 8 + nameLength])
          if name != [0x2e], name != [0x2e, 0x2e] {
            entries.append(
              Ext4Entry(name: name, inode: UInt64(inode), type: hasTypes ? bytes[place + 7] : 0))
          }
        }
        place += length
      }
    }
  }

  /// The extended attributes of an inode, those in it first.
  ///
  /// - Throws: `UnreadableStructure`.
  package func attributes(in inode: Ext4Inode) throws -> [Ext4Attribute] {
    var attributes: [Ext4Attribute] = []
    let place = inode.attributePlace
    if !place.isEmpty, inode.bytes.littleEndian(at: place.lowerBound, 4) == Self.attributeMagic {
      let area = Array(inode.bytes[(place.lowerBound + 4)...])
      try readAttributes(area, from: 0, into: &attributes)
    }
    if inode.attributeBlock != 0 {
      let block = try bytes(ofBlock: inode.attributeBlock)
      guard block.littleEndian(at: 0, 4) == Self.attributeMagic else {
        throw UnreadableStructure("it has a damaged block of extended attributes")
      }
      try readAttributes(block, from: 32, into: &attributes)
    }
    return attributes
  }

  private static let attributeMagic: UInt64 = 0xea02_0000

  /// - Parameter first: where the entries begin; places of values count from the area's first byte.
  private func readAttributes(_ area: [UInt8], from first: Int, into attributes: inout [Ext4Attribute]) throws
  {
    var place = first
    while place <= area.count - 16, area.littleEndian(at: place, 4) != 0 {
      let nameLength = Int(area[place])
      let offset = Int(area.littleEndian(at: place + 2, 2))
      let number = area.littleEndian(at: place + 4, 4)
      let size = Int(area.littleEndian(at: place + 8, 4))
      guard nameLength <= area.count - place - 16,
        number != 0 || (offset <= area.count && size <= area.count - offset)
      else { throw UnreadableStructure("it has damaged extended attributes") }
      let prefix = Self.prefixes[area[place + 1]] ?? "\(area[place + 1])."
      let name = prefix + printableName(Array(area[place + 16..<place + 16 + nameLength]))
      // A large value is the content of an inode, which says enough by its number.
      let value = number == 0 ? Array(area[offset..<offset + size]) : Array("inode \(number)".utf8)
      attributes.append(Ext4Attribute(name: name, value: value))
      place += (16 + nameLength + 3) & ~3
    }
  }

  private static let prefixes: [UInt8: String] = [
    1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.",
    7: "system.", 8: "system.richacl",
  ]
}
