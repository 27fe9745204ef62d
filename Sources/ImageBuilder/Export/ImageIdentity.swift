internal import Basics
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// Gives an image file the plan's identifiers and time, in place of those that qemu-img takes from chance and the clock.
///
/// Only fields that the formats have for this purpose are written, and the checksums over them.
struct ImageIdentity {
  /// The image's own identifier.
  let identifier: GUID
  /// The time of its making, in seconds since 1970.
  let time: Int64

  /// Writes them into a file that qemu-img has made; formats without any are left alone.
  ///
  /// - Throws: `BuildError` when the file is not as its format says; nothing but identifiers is lost then.
  ///   `CancellationError`.
  func write(to image: FilePath, _ format: ImageFormat) throws {
    let edit: (FileDescriptor) throws -> Void
    switch format {
    case .raw, .qcow2, .compressedQcow2, .compressedRaw, .archivedRaw: return
    case .vdi: edit = writeVDI
    case .vpc: edit = { try writeVHD($0, isFixed: false) }
    case .fixedVPC: edit = { try writeVHD($0, isFixed: true) }
    case .vmdk, .streamVMDK: edit = writeVMDK
    case .vhdx: edit = writeVHDX
    }
    do {
      let file = try FileDescriptor.open(image, .readWrite)
      try file.closeAfter { try edit(file) }
    } catch is OddImage {
      throw BuildError(
        .failed, "\(image) is not laid out as qemu-img of a known version makes \(format.rawValue)",
        remedy: "Choose another format, and report the version of qemu-img")
    } catch let error as Errno {
      throw BuildError(.failed, "the identifier of \(image) could not be written: \(error)")
    }
  }

  /// `uuidCreate` and `uuidModify` of the header (VirtualBox, VDICore.h: `VDIHEADER1`).
  private func writeVDI(_ file: FileDescriptor) throws {
    var header = try file.bytes(512, at: 0)
    guard header.number(at: 64, 4) == 0xbeda_107f, header.number(at: 68, 4) == 0x0001_0001 else {
      throw OddImage()
    }
    header.replace(at: 392, by: identifier.littleEndianBytes)
    header.replace(at: 408, by: identifier.littleEndianBytes)
    try file.write(header, at: 0)
  }

  /// Time, UUID and checksum of the footer ("Virtual Hard Disk Image Format Specification" 1.0), and of its copy at the
  /// beginning of a dynamic disk; that of a fixed one begins with the disk.
  private func writeVHD(_ file: FileDescriptor, isFixed: Bool) throws {
    let end = try file.seek(offset: 0, from: .end) - 512
    // Seconds since 2000-01-01.
    let seconds = UInt32(clamping: time - 946_684_800)
    for place in isFixed ? [end] : [0, end] {
      var footer = try file.bytes(512, at: place)
      guard footer.starts(with: "conectix".utf8), footer[63] == (isFixed ? 2 : 3) else { throw OddImage() }
      footer.replace(at: 24, by: (0..<4).map { UInt8(truncatingIfNeeded: seconds >> (24 - 8 * $0)) })
      footer.replace(at: 68, by: identifier.bytes)
      footer.replace(at: 64, by: [0, 0, 0, 0])
      let sum = ~footer.reduce(UInt32(0)) { $0 + UInt32($1) }
      footer.replace(at: 64, by: (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) })
      try file.write(footer, at: place)
    }
  }

  /// `CID` of the embedded descriptor ("Virtual Disk Format 5.0", VMware). qemu-img writes it without leading zeros, so
  /// that what follows moves.
  private func writeVMDK(_ file: FileDescriptor) throws {
    let header = try file.bytes(512, at: 0)
    guard header.starts(with: "KDMV".utf8) else { throw OddImage() }
    let place = Int64(clamping: header.number(at: 28, 8)) * 512
    let size = Int(clamping: header.number(at: 36, 8)) * 512
    guard place > 0, (512...65536).contains(size) else { throw OddImage() }
    let text = String(decoding: try file.bytes(size, at: place).prefix { $0 != 0 }, as: UTF8.self)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard let index = lines.firstIndex(where: { $0.hasPrefix("CID=") }) else { throw OddImage() }
    // All ones mean that there is no parent.
    let number = identifier.bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
    lines[index] = "CID=" + String(format: "%08x", number)
    let descriptor = Array(lines.joined(separator: "\n").utf8)
    guard descriptor.count < size else { throw OddImage() }
    try file.write(descriptor + Array(repeating: 0, count: size - descriptor.count), at: place)
  }

  /// Sequence numbers and GUIDs of both headers, the empty log, and the disk's identification ([MS-VHDX], 2.2 to 2.6).
  private func writeVHDX(_ file: FileDescriptor) throws {
    let places: [Int64] = [64 << 10, 128 << 10]
    var headers = try places.map { try file.bytes(4096, at: $0) }
    for header in headers {
      // A log with a GUID has to be replayed.
      guard header.starts(with: "head".utf8), header[48..<64].allSatisfy({ $0 == 0 }) else {
        throw OddImage()
      }
    }
    let isFirstNewer = headers[0].number(at: 8, 8) > headers[1].number(at: 8, 8)
    let log = (size: headers[0].number(at: 68, 4), place: headers[0].number(at: 72, 8))
    guard log.size <= 64 << 20, log.place >= 1 << 20 else { throw OddImage() }
    try file.writeZeros(log.size, at: log.place)
    for index in headers.indices {
      headers[index].replace(at: 8, by: [(index == 0) == isFirstNewer ? 2 : 1, 0, 0, 0, 0, 0, 0, 0])
      headers[index].replace(at: 16, by: identifier.littleEndianBytes)
      headers[index].replace(at: 32, by: identifier.littleEndianBytes)
      headers[index].replace(at: 4, by: [0, 0, 0, 0])
      let sum = CRC32C.checksum(headers[index])
      headers[index].replace(at: 4, by: (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) })
      try file.write(headers[index], at: places[index])
    }
    try file.write(identifier.littleEndianBytes, at: try Self.diskIdentification(in: file))
  }

  /// Where the metadata region has "Page 83 Data", a GUID (2.6.2.4).
  private static func diskIdentification(in file: FileDescriptor) throws -> Int64 {
    let regions = try file.bytes(64 << 10, at: 192 << 10)
    guard regions.starts(with: "regi".utf8) else { throw OddImage() }
    let metadata = try entry(
      metadataRegion, in: regions, first: 16, count: Int(regions.number(at: 8, 4)), value: 8)
    let table = try file.bytes(64 << 10, at: Int64(clamping: metadata))
    guard table.starts(with: "metadata".utf8) else { throw OddImage() }
    let item = try entry(page83, in: table, first: 32, count: Int(table.number(at: 10, 2)), value: 4)
    return Int64(clamping: metadata) + Int64(clamping: item)
  }

  /// Finds the offset of the 32-byte entry that begins with a GUID.
  private static func entry(
    _ guid: GUID, in table: [UInt8], first: Int, count: Int, value size: Int
  ) throws -> UInt64 {
    for start in (0..<min(count, 2047)).map({ first + 32 * $0 }) where start + 32 <= table.count {
      if Array(table[start..<start + 16]) == guid.littleEndianBytes {
        return table.number(at: start + 16, size)
      }
    }
    throw OddImage()
  }

  private static let metadataRegion = GUID(high: 0x8b7c_a206_4790_4b9a, low: 0xb8fe_575f_050f_886e)
  private static let page83 = GUID(high: 0xbeca_12ab_b2e6_4523, low: 0x93ef_c309_e000_c746)
}

/// A file that is not what its format says.
private struct OddImage: Error {}

extension [UInt8] {
  /// The little-endian number of `size` bytes at an offset.
  fileprivate func number(at offset: Int, _ size: Int) -> UInt64 {
    self[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  fileprivate mutating func replace(at offset: Int, by bytes: [UInt8]) {
    replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }
}

extension FileDescriptor {
  fileprivate func bytes(_ count: Int, at offset: Int64) throws -> [UInt8] {
    let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      while length < count {
        try Cancellation.check()
        let part = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[length...])
        let read = try read(fromAbsoluteOffset: offset + Int64(length), into: part)
        guard read > 0 else { throw OddImage() }
        length += read
      }
    }
    return bytes
  }

  /// In pieces, as a log may have many MiB.
  fileprivate func writeZeros(_ count: UInt64, at offset: UInt64) throws {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    var done: UInt64 = 0
    while done < count {
      try Cancellation.check()
      let piece = Int(min(count - done, UInt64(zeros.count)))
      _ = try writeAll(toAbsoluteOffset: Int64(clamping: offset + done), zeros[..<piece])
      done += UInt64(piece)
    }
  }

  fileprivate func write(_ bytes: [UInt8], at offset: Int64) throws {
    try Cancellation.check()
    _ = try writeAll(toAbsoluteOffset: offset, bytes)
  }
}

/// The checksum of VHDX: CRC-32C (RFC 3720, appendix B.4), bit by bit, as it covers two pages.
private enum CRC32C {
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
  }
}
