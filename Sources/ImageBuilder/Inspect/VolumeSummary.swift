internal import Basics
internal import ImageModel
internal import ImageReading

/// What the superblock of a filesystem, or the header of a container, says of it. Nothing that it leads to is read.
struct VolumeSummary: Hashable {
  var label: String?
  /// As Linux writes it below `/dev/disk/by-uuid`.
  var uuid: String?
  /// Bytes of the filesystem.
  var size: UInt64?
  /// Bytes that no file has.
  var free: UInt64?

  /// The places are those of each format's own headers, as libblkid reads them.
  ///
  /// - Throws: what reading throws.
  init(of disk: ImageBytes, _ kind: DiskContent) throws {
    switch kind {
    case .ext: try readExt(Header(disk, at: Ext4Filesystem.superblockPlace))
    case .xfs: try readXFS(Header(disk, at: 0))
    case .btrfs: try readBtrfs(Header(disk, at: 0x10000))
    case .f2fs: try readF2FS(Header(disk, at: 1024))
    case .squashfs: size = try Header(disk, at: 0).number(40, 8)
    case .erofs: try readEROFS(Header(disk, at: 1024))
    case .jfs:
      let header = try Header(disk, at: 0x8000)
      (uuid, label) = (header.uuid(136), header.text(152, 16))
    case .ntfs: try readNTFS(Header(disk, at: 0))
    case .swap:
      let header = try Header(disk, at: 1024)
      (uuid, label) = (header.uuid(12), header.text(28, 16))
    case .luks:
      let header = try Header(disk, at: 0)
      uuid = header.text(168, 40)
      if header.bytes.bigEndian(at: 6, 2) == 2 { label = header.text(24, 48) }
    case .lvm: uuid = try Self.physicalVolume(Header(disk, at: 512))
    case .fat, .unknown: break
    }
  }

  private mutating func readExt(_ header: Header) {
    (uuid, label) = (header.uuid(0x68), header.text(0x78, 16))
    let exponent = header.number(0x18, 4)
    guard exponent <= 6 else { return }
    let is64Bit = header.number(0x60, 4) & 0x80 != 0
    func blocks(_ low: Int, _ high: Int) -> UInt64 {
      ByteSize(header.number(low, 4) | (is64Bit ? header.number(high, 4) << 32 : 0), times: 1024 << exponent)
        .bytes
    }
    (size, free) = (blocks(0x04, 0x150), blocks(0x0c, 0x158))
  }

  private mutating func readXFS(_ header: Header) {
    (uuid, label) = (header.uuid(32), header.text(108, 12))
    func blocks(_ offset: Int) -> UInt64 {
      ByteSize(header.bytes.bigEndian(at: offset, 8), times: header.bytes.bigEndian(at: 4, 4)).bytes
    }
    (size, free) = (blocks(8), blocks(144))
  }

  private mutating func readBtrfs(_ header: Header) {
    (uuid, label) = (header.uuid(0x20), header.text(0x12b, 256))
    let (total, used) = (header.number(0x70, 8), header.number(0x78, 8))
    (size, free) = (total, total - min(used, total))
  }

  private mutating func readF2FS(_ header: Header) {
    (uuid, label) = (header.uuid(108), header.wideText(124, 512))
    let exponent = header.number(16, 4)
    if exponent <= 16 { size = ByteSize(header.number(36, 8), times: 1 << exponent).bytes }
  }

  private mutating func readEROFS(_ header: Header) {
    (uuid, label) = (header.uuid(48), header.text(64, 16))
    let exponent = header.number(12, 1)
    if exponent <= 16 { size = ByteSize(header.number(36, 4), times: 1 << exponent).bytes }
  }

  private mutating func readNTFS(_ header: Header) {
    let digits = String(header.number(72, 8), radix: 16, uppercase: true)
    uuid = String(repeating: "0", count: 16 - digits.count) + digits
    size = ByteSize(header.number(40, 8), times: header.number(11, 2)).bytes
  }

  private static func physicalVolume(_ header: Header) -> String? {
    let offset = header.number(20, 4)
    guard (32...480).contains(offset), let text = header.text(Int(offset), 32), text.utf8.count == 32 else {
      return nil
    }
    var rest = text[...]
    return [6, 4, 4, 4, 4, 4, 6].map { count in
      defer { rest = rest.dropFirst(count) }
      return String(rest.prefix(count))
    }.joined(separator: "-")
  }

  /// The first kilobyte of a header; what is not there reads as zeros.
  private struct Header {
    let bytes: [UInt8]

    init(_ disk: ImageBytes, at offset: UInt64) throws {
      let found = try disk.bytes(1024, at: offset)
      bytes = found + Array(repeating: 0, count: 1024 - min(found.count, 1024))
    }

    func number(_ offset: Int, _ size: Int) -> UInt64 { bytes.littleEndian(at: offset, size) }

    /// Nil for one of zeros.
    func uuid(_ offset: Int) -> String? {
      let part = Array(bytes[offset..<offset + 16])
      return part.isBlank ? nil : GUID(bytes: part)?.description
    }

    /// Text that zeros or the field's end end; nil for none.
    func text(_ offset: Int, _ size: Int) -> String? {
      let part = bytes[offset..<offset + size].prefix { $0 != 0 }
      return part.isEmpty ? nil : printableName(Array(part))
    }

    func wideText(_ offset: Int, _ size: Int) -> String? {
      let units = stride(from: offset, to: offset + size, by: 2).map {
        UInt16(truncatingIfNeeded: bytes.littleEndian(at: $0, 2))
      }
      let text = String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
      return text.isEmpty ? nil : text
    }
  }
}
