internal import Basics

extension ImageFormat {
  /// Hyper-V's.
  public static let vhdx = ImageFormat("vhdx")
}

extension FormatTraits {
  // 64 TiB: "[MS-VHDX] Virtual Hard Disk v2 File Format", 2.6.2.2.
  // It names a parent by its UUID alone, and QEMU refuses an image that has one.
  static let vhdx = FormatTraits(
    format: .vhdx, fileExtension: "vhdx", qemuName: "vhdx", largestDisk: ByteSize(bytes: 64 << 40),
    identity: vhdxIdentity)

  private static let headerPlaces: [UInt64] = [64 << 10, 128 << 10]

  /// Sequence numbers and GUIDs of both headers, the empty log, and the disk's identification ([MS-VHDX], 2.2 to 2.6).
  private static func vhdxIdentity(
    _ identifier: GUID, _: Int64, _ image: ImageBytes
  ) throws -> [ByteEdit] {
    var headers = try headerPlaces.map { try image.all(4096, at: $0) }
    for header in headers {
      // A log with a GUID has to be replayed.
      guard header.starts(with: "head".utf8), header[48..<64].allSatisfy({ $0 == 0 }) else {
        throw OddImage()
      }
    }
    let isFirstNewer = headers[0].littleEndian(at: 8, 8) > headers[1].littleEndian(at: 8, 8)
    let log = (size: headers[0].littleEndian(at: 68, 4), place: headers[0].littleEndian(at: 72, 8))
    guard log.size <= 64 << 20, log.place >= 1 << 20 else { throw OddImage() }
    var edits = [ByteEdit(offset: log.place, bytes: Array(repeating: 0, count: Int(log.size)))]
    for index in headers.indices {
      let sequence: UInt64 = (index == 0) == isFirstNewer ? 2 : 1
      headers[index].replace(at: 8, by: sequence.littleEndianBytes)
      headers[index].replace(at: 16, by: identifier.littleEndianBytes)
      headers[index].replace(at: 32, by: identifier.littleEndianBytes)
      headers[index].replace(at: 4, by: [0, 0, 0, 0])
      headers[index].replace(at: 4, by: crc32C(headers[index]).littleEndianBytes)
      edits.append(ByteEdit(offset: headerPlaces[index], bytes: headers[index]))
    }
    let place = try diskIdentification(in: image)
    return edits + [ByteEdit(offset: place, bytes: identifier.littleEndianBytes)]
  }

  /// Where the metadata region has "Page 83 Data", a GUID (2.6.2.4).
  private static func diskIdentification(in image: ImageBytes) throws -> UInt64 {
    let regions = try image.all(64 << 10, at: 192 << 10)
    guard regions.starts(with: "regi".utf8) else { throw OddImage() }
    let metadata = try entry(
      metadataRegion, in: regions, first: 16, count: Int(regions.littleEndian(at: 8, 4)), value: 8)
    let table = try image.all(64 << 10, at: metadata)
    guard table.starts(with: "metadata".utf8) else { throw OddImage() }
    let item = try entry(page83, in: table, first: 32, count: Int(table.littleEndian(at: 10, 2)), value: 4)
    let (place, isTooFar) = metadata.addingReportingOverflow(item)
    guard !isTooFar else { throw OddImage() }
    return place
  }

  /// Finds the offset of the 32-byte entry that begins with a GUID.
  private static func entry(
    _ guid: GUID, in table: [UInt8], first: Int, count: Int, value size: Int
  ) throws -> UInt64 {
    for start in (0..<min(count, 2047)).map({ first + 32 * $0 }) where start + 32 <= table.count {
      if Array(table[start..<start + 16]) == guid.littleEndianBytes {
        return table.littleEndian(at: start + 16, size)
      }
    }
    throw OddImage()
  }

  private static let metadataRegion = GUID(high: 0x8b7c_a206_4790_4b9a, low: 0xb8fe_575f_050f_886e)
  private static let page83 = GUID(high: 0xbeca_12ab_b2e6_4523, low: 0x93ef_c309_e000_c746)
}
