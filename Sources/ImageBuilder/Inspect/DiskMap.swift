internal import Basics
public import ImageModel
internal import ImageReading

/// A disk and what is on it.
public struct DiskReport: Hashable, Codable, Sendable {
  /// How the partitions are written down.
  public var table: TableFormat
  /// The GUID of a GPT.
  public var guid: GUID?
  /// The signature of an MBR.
  public var signature: UInt32?
  /// Bytes of a sector.
  public var sectorSize: UInt64
  /// Bytes of the disk.
  public var size: UInt64
  /// What is wrong with the table.
  public var faults: [String]
  /// The partitions in the order of the table; one with the number 0 for a disk without a table.
  public var partitions: [PartitionReport]
}

/// A partition and what is on it.
public struct PartitionReport: Hashable, Codable, Sendable {
  /// Its number in the table; 0 for a whole disk.
  public var number: Int
  /// Its first byte on the disk.
  public var start: UInt64
  /// Its bytes.
  public var size: UInt64
  /// What the table says it is for; nil for a whole disk.
  public var type: PartitionType?
  /// What that type is called; nil for one that has no name here.
  public var typeName: String?
  /// Its own GUID.
  public var guid: GUID?
  /// Its name in a GPT.
  public var name: String
  /// The boot flag of an MBR.
  public var isActive: Bool
  /// What is on it.
  public var content: Content

  /// What a partition holds.
  public struct Content: Hashable, Codable, Sendable {
    /// The kind: `ext4`, `FAT`, `xfs`, …; `unknown` where no magic number is known.
    public var kind: String
    /// Its label.
    public var label: String?
    /// Its identifier, as Linux names it below `/dev/disk/by-uuid`.
    public var uuid: String?
    /// Bytes of the filesystem.
    public var size: UInt64?
    /// Bytes that no file has.
    public var free: UInt64?
    /// Whether files were looked at.
    public var isRead: Bool
  }
}

/// The parts of a raw disk, and their filesystems.
struct DiskMap {
  /// A partition whose place on the disk is known.
  struct Part {
    var report: PartitionReport
    var kind: DiskContent
    /// The filesystem's files; nil where they are not read.
    var tree: (any ReadableTree)?

    /// Whether boot loaders look for entries on it: by its type, or because it has them.
    var isBootPartition = false
  }

  static let systemTypes: [PartitionType] = [.efiSystem, .code(0xef)]
  private static let bootTypes: [PartitionType] = systemTypes + [.extendedBoot, .code(0xea)]

  private(set) var report: DiskReport
  var parts: [Part]
  /// Why partitions of known kinds were not read, by their numbers.
  var unread: [Int: String] = [:]
  let table: DiskTable

  /// - Throws: `Errno`; `CancellationError`.
  init(of disk: DiskFile) throws {
    let table = try DiskTable(of: disk, sectorSize: nil)
    self.table = table
    report = DiskReport(
      table: table.format, guid: table.guid, signature: table.signature, sectorSize: table.sectorSize,
      size: disk.size, faults: table.faults, partitions: [])
    parts = []
    guard table.format != .none else {
      let whole = PartitionReport(
        number: 0, start: 0, size: disk.size, name: "", isActive: false, content: .unread)
      try add(whole, disk.image)
      return
    }
    for entry in table.entries {
      let place = table.place(of: entry, on: disk) ?? 0..<0
      let wanted = ByteSize(entry.sectors, times: table.sectorSize).bytes
      let partition = PartitionReport(
        number: entry.number, start: ByteSize(entry.start, times: table.sectorSize).bytes, size: wanted,
        type: entry.type, typeName: Self.typeNames[entry.type], guid: entry.guid, name: entry.name,
        isActive: entry.isActive, content: .unread)
      if UInt64(place.count) < wanted {
        report.faults.append("partition \(entry.number) is not on the disk to its end")
      }
      // The extended partition of an MBR holds other ones.
      guard !place.isEmpty, !LogicalPartitions.isExtended(entry.type) else {
        parts.append(Part(report: partition, kind: .unknown))
        continue
      }
      try add(partition, disk.part(place))
    }
  }

  private mutating func add(_ partition: PartitionReport, _ bytes: ImageBytes) throws {
    try Cancellation.check()
    let kind = try DiskContent(of: bytes)
    var part = Part(report: partition, kind: kind)
    let summary = try VolumeSummary(of: bytes, kind)
    part.report.content = .init(
      kind: kind.rawValue, label: summary.label, uuid: summary.uuid, size: summary.size, free: summary.free,
      isRead: false)
    do {
      switch kind {
      case .ext:
        part.report.content.kind = Self.extKind(try bytes.bytes(1024, at: Ext4Filesystem.superblockPlace))
        part.tree = try Ext4Tree(bytes)
      case .fat:
        let tree = try FATTree(bytes)
        part.tree = tree
        let filesystem = tree.filesystem
        part.report.content.label = try filesystem.label()
        part.report.content.uuid = filesystem.identifier
        part.report.content.size = filesystem.size
        part.report.content.free = ByteSize(filesystem.freeClusters(), times: filesystem.clusterSize).bytes
        part.isBootPartition = try ["/EFI", "/loader"].contains { try tree.node($0)?.kind == .folder }
      default: break
      }
    } catch let error as UnreadableStructure {
      unread[partition.number] = "\(part.word) was not read: \(error.reason)"
    }
    part.report.content.isRead = part.tree != nil
    let isTyped = partition.type.map { Self.bootTypes.contains($0) } ?? false
    if part.tree != nil, isTyped { part.isBootPartition = true }
    parts.append(part)
  }

  /// ext4 has extents or more, ext3 a journal (as libblkid tells them apart).
  private static func extKind(_ superblock: [UInt8]) -> String {
    let incompatible = superblock.littleEndian(at: 0x60, 4)
    let readOnly = superblock.littleEndian(at: 0x64, 4)
    // What ext3 knows: file types, recovery, journal devices, meta block groups; sparse superblocks, large files, B-trees.
    if incompatible & ~0x1e != 0 || readOnly & ~0x7 != 0 { return "ext4" }
    return superblock.littleEndian(at: 0x5c, 4) & 0x4 != 0 ? "ext3" : "ext2"
  }

  /// What was not read, and why.
  var notes: [String] { unread.sorted { $0.key < $1.key }.map(\.value) }

  /// The report with what is known of each part by now.
  var finished: DiskReport {
    var report = report
    report.partitions = parts.map(\.report)
    return report
  }
}

extension DiskMap.Part {
  /// What is said of it in notes and warnings.
  var word: String { report.number == 0 ? "the disk" : "partition \(report.number)" }
}

extension PartitionReport.Content {
  fileprivate static let unread = Self(kind: DiskContent.unknown.rawValue, isRead: false)
}

extension DiskMap {
  /// The types that Slipway makes and those that images of Linux often have (UAPI.2).
  private static let typeNames: [PartitionType: String] = [
    .efiSystem: "EFI system", .extendedBoot: "extended boot loader", .biosBoot: "BIOS boot",
    .linux: "Linux filesystem", .swap: "Linux swap", .swapCode: "Linux swap", .linuxCode: "Linux filesystem",
    .code(0xef): "EFI system", .code(0xea): "extended boot loader", .fatCode: "FAT32", .code(0x0b): "FAT32",
    .code(0x0e): "FAT16", .code(0x05): "extended", .code(0x0f): "extended", .code(0x85): "extended",
    .code(0x07): "NTFS or exFAT", .code(0x8e): "Linux LVM",
    .guid(GUID(high: 0x4f68_bce3_e8cd_4db1, low: 0x96e7_fbca_f984_b709)): "Linux root",
    .guid(GUID(high: 0x8484_680c_9521_48c6, low: 0x9c11_b072_0656_f69e)): "Linux /usr",
    .guid(GUID(high: 0xe6d6_d379_f507_44c2, low: 0xa23c_238f_2a3d_f928)): "Linux LVM",
    .guid(GUID(high: 0xebd0_a0a2_b9e5_4433, low: 0x87c0_68b6_b726_99c7)): "basic data",
    .guid(GUID(high: 0x933a_c7e1_2eb4_4f13, low: 0xb844_0e14_e2ae_f915)): "Linux /home",
  ]
}
