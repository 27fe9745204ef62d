package import SystemPackage

/// One file or directory of a FAT filesystem to be written.
package struct FATNode: Sendable {
  /// What a node is. FAT has nothing else.
  package enum Kind: Sendable {
    case directory
    case file(FATContent)
  }

  /// Its path from the root of the filesystem, such as `EFI/BOOT/BOOTX64.EFI`.
  package var path: String
  package var kind: Kind
  /// When it was last written, in seconds since 1970.
  package var time: Int64

  package init(path: String, kind: Kind, time: Int64) {
    self.path = path
    self.kind = kind
    self.time = time
  }
}

/// The bytes of a file.
package enum FATContent: Sendable {
  case bytes([UInt8])
  /// A part of a file of this machine.
  case part(of: FilePath, offset: UInt64, size: UInt64)

  var size: UInt64 {
    switch self {
    case .bytes(let bytes): UInt64(bytes.count)
    case .part(_, _, let size): size
    }
  }
}

/// The place of a FAT filesystem, and what identifies it.
package struct FATVolume: Sendable {
  /// Bytes of a sector of the disk, 512 or 4096.
  package var sectorSize: UInt64
  /// The first sector of its partition.
  package var start: UInt64
  /// Its size, in sectors.
  package var sectors: UInt64
  /// The volume id.
  package var identifier: UInt32
  /// At most 11 ASCII characters; empty for none.
  package var label: String
  /// The time of the label, in seconds since 1970.
  package var time: Int64

  package init(
    sectorSize: UInt64, start: UInt64, sectors: UInt64, identifier: UInt32, label: String, time: Int64
  ) {
    self.sectorSize = sectorSize
    self.start = start
    self.sectors = sectors
    self.identifier = identifier
    self.label = label
    self.time = time
  }
}
