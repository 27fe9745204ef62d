internal import Basics
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// One of the two copies of a GUID partition table, whose checksums are right (UEFI 2.10, 5.3.2 and 5.3.3).
struct GPTHeader: Hashable {
  static let signature = Array("EFI PART".utf8)
  /// More than any tool makes by itself, and little to read.
  private static let mostEntries: UInt64 = 1024

  let guid: GUID
  let entries: [DiskTable.Entry]

  /// - Throws: `DamagedGPT`; `Errno`.
  init(of disk: DiskFile, at place: UInt64, sectorSize: UInt64) throws {
    let sector = try disk.sector(place, size: sectorSize)
    guard sector.starts(with: Self.signature) else { throw DamagedGPT("is missing") }
    let length = Int(sector.littleEndian(at: 12, 4))
    guard (92...sector.count).contains(length) else { throw DamagedGPT("has a header of no known size") }
    var header = Array(sector.prefix(length))
    header.replaceSubrange(16..<20, with: [0, 0, 0, 0])
    guard UInt64(crc32(header)) == sector.littleEndian(at: 16, 4) else {
      throw DamagedGPT("has a header with a wrong checksum")
    }
    guard sector.littleEndian(at: 24, 8) == place else { throw DamagedGPT("is not where it says it is") }
    let (count, size) = (sector.littleEndian(at: 80, 4), sector.littleEndian(at: 84, 4))
    guard count <= Self.mostEntries, [128, 256, 512, 1024].contains(size) else {
      throw DamagedGPT("has \(count) entries of \(size) bytes")
    }
    let (offset, isTooLarge) = sector.littleEndian(at: 72, 8).multipliedReportingOverflow(by: sectorSize)
    let table = isTooLarge ? [] : try disk.bytes(Int(count * size), at: offset)
    guard table.count == Int(count * size), UInt64(crc32(table)) == sector.littleEndian(at: 88, 4) else {
      throw DamagedGPT("has entries with a wrong checksum")
    }
    guard let guid = GUID(littleEndian: Array(sector[56..<72])) else { throw DamagedGPT("has no GUID") }
    self.guid = guid
    entries = (0..<Int(count)).compactMap { Self.entry($0, in: table, size: Int(size)) }
  }

  /// nil for one that is not used.
  private static func entry(_ index: Int, in table: [UInt8], size: Int) -> DiskTable.Entry? {
    let bytes = Array(table[index * size..<index * size + 128])
    guard !bytes.prefix(16).elementsEqual(repeatElement(0, count: 16)),
      let type = GUID(littleEndian: Array(bytes[0..<16])),
      let guid = GUID(littleEndian: Array(bytes[16..<32]))
    else { return nil }
    let (start, end) = (bytes.littleEndian(at: 32, 8), bytes.littleEndian(at: 40, 8))
    let units = stride(from: 56, to: 128, by: 2).map {
      UInt16(truncatingIfNeeded: bytes.littleEndian(at: $0, 2))
    }
    return DiskTable.Entry(
      number: index + 1, start: start, sectors: end >= start && end - start < .max ? end - start + 1 : 0,
      type: .guid(type), guid: guid, name: String(decoding: units.prefix { $0 != 0 }, as: UTF16.self))
  }
}

/// A copy of a GPT that cannot be used.
struct DamagedGPT: Error {
  /// Follows the copy's name.
  let reason: String

  init(_ reason: String) {
    self.reason = reason
  }
}
