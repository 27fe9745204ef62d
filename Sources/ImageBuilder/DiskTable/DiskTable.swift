internal import Basics
internal import ImageModel
internal import SystemPackage

/// The partition table that a disk has, in sectors of any size. sfdisk reads those of a file in 512 bytes alone.
struct DiskTable: Hashable, Sendable {
  /// One partition that the table lists.
  struct Entry: Hashable, Sendable {
    var number: Int
    var start: UInt64
    var sectors: UInt64
    var type: PartitionType
    /// nil in an MBR.
    var guid: GUID?
    /// Empty in an MBR.
    var name = ""
    /// The boot flag of an MBR.
    var isActive = false
  }

  var format: TableFormat
  var sectorSize: UInt64
  /// Sectors of the whole disk.
  var sectors: UInt64
  /// The disk's GUID in a GPT.
  var guid: GUID?
  /// The disk's signature in an MBR.
  var signature: UInt32?
  var entries: [Entry] = []
  /// What is wrong with the table, or with the copy of it, though the rest can be read.
  var faults: [String] = []
}

extension DiskTable {
  /// The offset and the value of the signature at the end of an MBR (UEFI 2.10, table 5.1).
  static let bootSignature = (offset: 510, value: UInt64(0xaa55))
  private static let protective: UInt8 = 0xee

  /// Reads the table of a disk.
  ///
  /// - Parameter sectorSize: bytes in a sector; nil to go by the place of a GPT, which is the second sector.
  /// - Throws: `Errno`.
  init(of disk: DiskFile, sectorSize: UInt64?) throws(Errno) {
    let size = if let sectorSize { sectorSize } else { try Self.sectorSize(of: disk) }
    self.init(format: .none, sectorSize: size, sectors: disk.size / size)
    let first = try disk.bytes(512, at: 0)
    let records = Self.records(in: first)
    let hasProtection = records.contains { $0.type == .code(Self.protective) }
    let header = try disk.sector(1, size: size)
    if hasProtection || header.starts(with: GPTHeader.signature) {
      format = .gpt
      if !hasProtection { faults.append("the protective MBR is missing") }
      try readGPT(of: disk)
    } else if !records.isEmpty {
      format = .mbr
      signature = UInt32(truncatingIfNeeded: first.littleEndian(at: 440, 4))
      entries = records
      // There is one; of more, the others' partitions would have the same numbers.
      if let extended = records.first(where: { LogicalPartitions.isExtended($0.type) }) {
        let logical = try LogicalPartitions(in: extended, of: disk, sectorSize: size)
        entries += logical.entries
        faults += logical.fault.map { [$0] } ?? []
      }
    }
  }

  private static func sectorSize(of disk: DiskFile) throws(Errno) -> UInt64 {
    guard try !disk.bytes(8, at: 512).elementsEqual(GPTHeader.signature) else { return 512 }
    return try disk.bytes(8, at: 4096).elementsEqual(GPTHeader.signature) ? 4096 : 512
  }

  /// The partitions in an MBR; none where the sector is something else, such as the boot sector of a filesystem.
  static func records(in sector: [UInt8]) -> [Entry] {
    guard sector.littleEndian(at: bootSignature.offset, 2) == bootSignature.value else { return [] }
    let records = (0..<4).map { Array(sector[446 + 16 * $0..<462 + 16 * $0]) }
    guard records.allSatisfy({ $0[0] & 0x7f == 0 }) else { return [] }
    return records.enumerated().compactMap { index, record in
      let count = record.littleEndian(at: 12, 4)
      guard record[4] != 0, count > 0 else { return nil }
      return Entry(
        number: index + 1, start: record.littleEndian(at: 8, 4), sectors: count, type: .code(record[4]),
        isActive: record[0] == 0x80)
    }
  }

  /// Both copies have to be whole; one is enough to read it.
  private mutating func readGPT(of disk: DiskFile) throws(Errno) {
    var found: GPTHeader?
    for (name, place) in [("GPT", 1), ("backup GPT at the end of the disk", sectors - min(sectors, 1))] {
      do {
        let header = try GPTHeader(of: disk, at: place, sectorSize: sectorSize)
        if let first = found, (first.guid, first.entries) != (header.guid, header.entries) {
          faults.append("the \(name) differs from the first one")
        }
        found = found ?? header
      } catch let error as DamagedGPT {
        faults.append("the \(name) \(error.reason)")
      } catch {
        throw error as? Errno ?? .ioError
      }
    }
    guid = found?.guid
    entries = found?.entries ?? []
  }

  /// What is not as the layout wants it, one phrase each.
  func differences(from layout: DiskLayout) -> [String] {
    var differences = faults
    func compare(_ what: String, _ actual: (some CustomStringConvertible)?, _ wanted: String) {
      let actual = actual?.description ?? "missing"
      if actual != wanted { differences.append("\(what) is \(actual) instead of \(wanted)") }
    }
    compare("the table", format.rawValue, layout.table.rawValue)
    guard format == layout.table, format != .none else { return differences }
    compare("the number of sectors", sectors, "\(layout.sectors)")
    if format == .gpt {
      compare("the disk's GUID", guid, "\(layout.guid)")
    } else {
      let wanted = layout.guid.bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      compare("the disk's signature", signature, "\(wanted)")
    }
    for entry in entries where !layout.partitions.contains(where: { $0.number == entry.number }) {
      differences.append("there is a partition \(entry.number) that the plan does not have")
    }
    for wanted in layout.partitions {
      guard let entry = entries.first(where: { $0.number == wanted.number }) else {
        differences.append("partition \(wanted.number) is missing")
        continue
      }
      let place = "of partition \(wanted.number)"
      compare("the start \(place)", entry.start, "\(wanted.start)")
      compare("the size \(place)", entry.sectors, "\(wanted.sectors)")
      compare("the type \(place)", entry.type, wanted.type?.description ?? "")
      if format == .gpt {
        compare("the GUID \(place)", entry.guid, wanted.guid?.description ?? "missing")
        compare("the name \(place)", entry.name, wanted.name)
      } else {
        compare("the active flag \(place)", entry.isActive, "\(layout.activePartition == wanted.number)")
      }
    }
    return differences
  }
}
