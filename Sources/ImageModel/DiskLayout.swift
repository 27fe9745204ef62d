/// How a disk's partition table is written.
public enum TableFormat: String, Codable, Sendable {
  /// GUID partition table (UEFI 2.10, 5.3), with a protective MBR.
  case gpt
  /// The PC's master boot record.
  case mbr
  /// No table: one filesystem over the whole disk.
  case none
}

/// What a partition is for, as its table says it.
public enum PartitionType: Hashable, Sendable {
  /// In a GPT.
  case guid(GUID)
  /// In an MBR.
  case code(UInt8)

  /// Partition type of an EFI system partition (UEFI 2.10, table 5.7).
  public static let efiSystem = guid(GUID(high: 0xc12a_7328_f81f_11d2, low: 0xba4b_00a0_c93e_c93b))
  /// The extended boot loader partition of the boot loader specification.
  public static let extendedBoot = guid(GUID(high: 0xbc13_c2ff_59e6_4262, low: 0xa352_b275_fd6f_7172))
  /// Where GRUB keeps its second stage on a GPT disk.
  public static let biosBoot = guid(GUID(high: 0x2168_6148_6449_6e6f, low: 0x744e_6565_6445_4649))
  /// A Linux filesystem, which make-disk-image gives its roots.
  public static let linux = guid(GUID(high: 0x0fc6_3daf_8483_4772, low: 0x8e79_3d69_d847_7de4))
  /// Swap space.
  public static let swap = guid(GUID(high: 0x0657_fd6d_a4ab_43c4, low: 0x84e5_0933_c84b_4f4f))
  /// Swap space in an MBR.
  public static let swapCode = code(0x82)
  /// FAT32 in an MBR.
  public static let fatCode = code(0x0c)
  /// A Linux filesystem in an MBR.
  public static let linuxCode = code(0x83)
}

extension PartitionType: CustomStringConvertible {
  /// As sfdisk spells it: a GUID in lower case, or a hexadecimal number.
  public var description: String {
    switch self {
    case .guid(let guid): guid.description
    case .code(let code): String(code, radix: 16)
    }
  }
}

extension PartitionType {
  /// Reads what `description` gives; nil for anything else.
  public init?(_ text: String) {
    if let guid = GUID(text) {
      self = .guid(guid)
    } else if !text.hasPrefix("+"), let code = UInt8(text, radix: 16) {
      self = .code(code)
    } else {
      return nil
    }
  }
}

extension PartitionType: Codable {
  /// Decodes what `description` gives.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let type = PartitionType(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(text)' is not a partition type")
    }
    self = type
  }

  /// Encodes `description`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// One partition, in exact sectors.
public struct Partition: Hashable, Codable, Sendable {
  /// Its number in the table, from 1; 0 stands for the whole disk where there is no table.
  public var number: Int
  /// The partition name in a GPT; 36 UTF-16 units at most (UEFI 2.10, 5.3.3).
  public var name: String
  /// What it is for; nil where there is no table.
  public var type: PartitionType?
  /// The partition's own GUID; nil where the table has none.
  public var guid: GUID?
  /// First sector.
  public var start: UInt64
  /// Number of sectors.
  public var sectors: UInt64
  /// What it holds; nil for a partition that stays as it is.
  public var filesystem: Filesystem?

  /// Describes a partition.
  public init(
    number: Int, name: String, type: PartitionType?, guid: GUID?, start: UInt64, sectors: UInt64,
    filesystem: Filesystem?
  ) {
    self.number = number
    self.name = name
    self.type = type
    self.guid = guid
    self.start = start
    self.sectors = sectors
    self.filesystem = filesystem
  }

  /// The partition as a device of the disk with this virtio serial number.
  public func device(on disk: String) -> BlockDevice {
    number == 0 ? .disk(serial: disk) : .partition(disk: disk, number: number)
  }
}

/// A disk, in exact sectors.
public struct DiskLayout: Hashable, Codable, Sendable {
  /// How the table is written.
  public var table: TableFormat
  /// Bytes in a sector.
  public var sectorSize: UInt64
  /// Sectors of the whole disk, tables included.
  public var sectors: UInt64
  /// The disk GUID of a GPT. Its first four bytes are the signature of an MBR.
  public var guid: GUID
  /// The partitions, by number.
  public var partitions: [Partition]

  /// Describes a disk.
  public init(
    table: TableFormat, sectorSize: UInt64, sectors: UInt64, guid: GUID, partitions: [Partition]
  ) {
    self.table = table
    self.sectorSize = sectorSize
    self.sectors = sectors
    self.guid = guid
    self.partitions = partitions
  }

  /// The partition that is the system's root; nil for a disk without one.
  public var root: Partition? { partitions.first { $0.filesystem?.mountPoint == "/" } }

  /// The number of the partition with the boot flag of an MBR, which some BIOSes want to see before they start a disk.
  /// A GPT has none: in its protective MBR the flag is zero (UEFI 2.10, table 5.2).
  ///
  /// It is the partition in front of the root that boot loaders read, where there is one.
  public var activePartition: Int? {
    guard table == .mbr else { return nil }
    let limit = root?.number ?? .max
    return (partitions.first { $0.number < limit && $0.type == .fatCode } ?? root)?.number
  }

  /// The whole disk, in bytes.
  public var size: ByteSize { ByteSize(bytes: sectors * sectorSize) }
}
