/// One partition, in exact sectors.
public struct Partition: Hashable, Codable, Sendable {
  /// Its number in the table, from 1.
  public var number: Int
  /// The partition name in the table; 36 UTF-16 units at most (UEFI 2.10, 5.3.3).
  public var name: String
  /// The partition type GUID.
  public var type: GUID
  /// The partition's own GUID.
  public var guid: GUID
  /// First sector.
  public var start: UInt64
  /// Number of sectors.
  public var sectors: UInt64
  /// What it holds.
  public var filesystem: Filesystem

  /// Describes a partition.
  public init(
    number: Int, name: String, type: GUID, guid: GUID, start: UInt64, sectors: UInt64,
    filesystem: Filesystem
  ) {
    self.number = number
    self.name = name
    self.type = type
    self.guid = guid
    self.start = start
    self.sectors = sectors
    self.filesystem = filesystem
  }
}

/// A GPT disk, in exact sectors.
public struct DiskLayout: Hashable, Codable, Sendable {
  /// Bytes in a sector.
  public var sectorSize: UInt64
  /// Sectors of the whole disk, both tables included.
  public var sectors: UInt64
  /// The disk GUID of the table's header.
  public var guid: GUID
  /// The partitions, by number.
  public var partitions: [Partition]

  /// Describes a disk.
  public init(sectorSize: UInt64, sectors: UInt64, guid: GUID, partitions: [Partition]) {
    self.sectorSize = sectorSize
    self.sectors = sectors
    self.guid = guid
    self.partitions = partitions
  }

  /// The whole disk, in bytes.
  public var size: ByteSize { ByteSize(bytes: sectors * sectorSize) }
}
