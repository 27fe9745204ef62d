internal import Basics
internal import ImageModel
internal import SystemPackage

/// What a BIOS starts from a disk: the code in the first sector, and what that code loads as far as it can be told.
///
/// GRUB's code says where the rest of it is (`boot/i386/pc/boot.S`, `diskboot.S`). What another loader's code would do
/// cannot be known: it passes.
enum BIOSLoader {
  /// Bytes of an MBR that are code (UEFI 2.10, table 5.1).
  private static let codeSize = 440
  /// Where GRUB's first sector has the number of the next, and how its own messages begin.
  private static let nextSector = 0x5c
  private static let messages = Array("GRUB \0Geom\0".utf8)
  /// GRUB Legacy has the same messages, and a version in front of them (`stage1.S`).
  private static let legacyVersion = (offset: 0x3e, value: UInt64(0x0203))
  /// The list of blocks at the end of GRUB's second sector grows downwards: start, count and segment.
  private static let blockSize = 12
  private static let blocksEnd = 512 - 12

  /// Why a BIOS would start nothing; nil when it would.
  static func problem(on disk: DiskFile, _ table: DiskTable) throws(Errno) -> String? {
    let first = try disk.bytes(512, at: 0)
    let code = Array(first.prefix(codeSize))
    guard !code.isBlank else { return "the disk's first sector has no boot code" }
    guard first.littleEndian(at: DiskTable.bootSignature.offset, 2) == DiskTable.bootSignature.value else {
      return "the disk's first sector has no boot signature"
    }
    guard table.sectorSize == 512, code.contains(messages),
      first.littleEndian(at: legacyVersion.offset, 2) != legacyVersion.value
    else { return nil }
    return try problemOfGRUB(first.littleEndian(at: nextSector, 8), on: disk, table)
  }

  /// The sectors that GRUB's code loads, as far as it says; empty for the code of another loader, and without any.
  ///
  /// They are numbers of sectors of 512 bytes, and are not bounded by the disk.
  static func sectorsOfGRUB(on disk: DiskFile) throws(Errno) -> [(start: UInt64, count: UInt64)] {
    guard try isGRUB(on: disk) else { return [] }
    let second = try disk.bytes(512, at: 0).littleEndian(at: nextSector, 8)
    guard second > 0, second <= UInt64(Int64.max) / 512 else { return [] }
    return [(second, 1)] + blockList(in: try disk.sector(second, size: 512))
  }

  /// Whether the code in the first sector is GRUB's.
  static func isGRUB(on disk: DiskFile) throws(Errno) -> Bool {
    try disk.bytes(codeSize, at: 0).contains(messages)
  }

  private static func problemOfGRUB(
    _ second: UInt64, on disk: DiskFile, _ table: DiskTable
  ) throws(Errno) -> String? {
    guard isFree(second, 1, in: table) else {
      return "GRUB's boot code loads sector \(second), which is not a place for a loader on this disk"
    }
    let sector = try disk.sector(second, size: 512)
    guard sector.contains(Array("loading\0".utf8)) else {
      return "GRUB's boot code loads sector \(second), and GRUB's core image does not begin there"
    }
    let list = blockList(in: sector)
    for (start, sectors) in list {
      guard isFree(start, sectors, in: table) else {
        return
          "GRUB's core image has \(sectors) sectors from \(start), which is not a place for it on this disk"
      }
      let (offset, size) = (start * 512, Int(sectors) * 512)
      guard isMostlyFilled(try disk.bytes(size, at: offset), size) else {
        return "GRUB's core image has been overwritten: there is nothing in \(sectors) sectors from \(start)"
      }
    }
    return list.isEmpty ? "GRUB's core image has no block list" : nil
  }

  /// Where the rest of the core image is, as its first sector says.
  private static func blockList(in sector: [UInt8]) -> [(start: UInt64, count: UInt64)] {
    guard sector.count == 512 else { return [] }
    return stride(from: blocksEnd, to: 0x150, by: -blockSize).lazy
      .map { (sector.littleEndian(at: $0, 8), sector.littleEndian(at: $0 + 8, 2)) }
      .prefix { $0.1 > 0 }.map { ($0.0, $0.1) }
  }

  /// Whether sectors are in front of the first partition of an MBR, or in a partition of any kind: as a rule the BIOS
  /// boot partition of a GPT, but GRUB can be told to use a file.
  private static func isFree(_ start: UInt64, _ count: UInt64, in table: DiskTable) -> Bool {
    let (end, isTooLarge) = start.addingReportingOverflow(count)
    guard start > 0, !isTooLarge, end <= table.sectors else { return false }
    let first = table.entries.map(\.start).min() ?? 0
    if table.format == .mbr, end <= first { return true }
    return table.entries.contains { $0.start <= start && end - $0.start <= $0.sectors }
  }

  /// Whether it is all there, and at least half of its sectors have something: code is compressed.
  private static func isMostlyFilled(_ bytes: [UInt8], _ size: Int) -> Bool {
    guard bytes.count == size else { return false }
    let blank = stride(from: 0, to: size, by: 512).count { Array(bytes[$0..<$0 + 512]).isBlank }
    return blank * 2 < size / 512
  }
}
