internal import Basics

/// The boot sector, and the sector of FAT32 that counts what is free (Microsoft FAT specification, 3 and 5).
struct BootSector {
  let volume: FATVolume
  let geometry: FATGeometry

  /// The label as its fields have it.
  var label: [UInt8] {
    let text = volume.label.isEmpty ? "NO NAME" : volume.label
    return Array((text.utf8 + Array(repeating: 0x20, count: 11)).prefix(11))
  }

  func bytes() -> [UInt8] {
    let isWide = geometry.width == .fat32
    let isSmall = !isWide && geometry.sectors < 0x10000
    var bytes: [UInt8] = [0xeb, isWide ? 0x58 : 0x3c, 0x90] + Array("SLIPWAY ".utf8)
    bytes += UInt16(geometry.sectorSize).littleEndianBytes
    bytes.append(UInt8(geometry.sectorsInCluster))
    bytes += UInt16(geometry.width.reserved).littleEndianBytes
    bytes.append(2)
    bytes += UInt16(geometry.width.rootEntries).littleEndianBytes
    bytes += UInt16(isSmall ? geometry.sectors : 0).littleEndianBytes
    bytes.append(Self.media)
    bytes += UInt16(isWide ? 0 : geometry.tableSectors).littleEndianBytes
    // Sectors of a track and heads, as for any disk that is addressed by blocks.
    bytes += UInt16(63).littleEndianBytes + UInt16(255).littleEndianBytes
    bytes += UInt32(truncatingIfNeeded: volume.start).littleEndianBytes
    bytes += UInt32(isSmall ? 0 : geometry.sectors).littleEndianBytes
    if isWide {
      bytes += UInt32(geometry.tableSectors).littleEndianBytes
      // Both tables are kept, version 0.0, the root directory is cluster 2.
      bytes += [0, 0, 0, 0] + UInt32(2).littleEndianBytes
      bytes += UInt16(Self.infoSector).littleEndianBytes + UInt16(Self.backupSector).littleEndianBytes
      bytes += Array(repeating: 0, count: 12)
    }
    bytes += [0x80, 0, 0x29] + volume.identifier.littleEndianBytes + label
    bytes += Array("FAT\(geometry.width.rawValue)   ".utf8)
    // Who starts it finds a halt: cli; hlt; jmp to the halt.
    bytes += [0xfa, 0xf4, 0xeb, 0xfd]
    bytes += Array(repeating: 0, count: 510 - bytes.count) + [0x55, 0xaa]
    return bytes
  }

  static let media: UInt8 = 0xf8
  static let infoSector: UInt64 = 1
  static let backupSector: UInt64 = 6

  /// - Parameters:
  ///   - free: clusters that are free.
  ///   - next: the first of them.
  func information(free: UInt64, next: UInt64) -> [UInt8] {
    var bytes = Array("RRaA".utf8) + Array(repeating: 0, count: 480) + Array("rrAa".utf8)
    bytes += UInt32(free).littleEndianBytes + UInt32(next).littleEndianBytes
    return bytes + Array(repeating: 0, count: 510 - bytes.count) + [0x55, 0xaa]
  }
}
