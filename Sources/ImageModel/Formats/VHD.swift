internal import Basics

extension ImageFormat {
  /// VHD, which grows: Virtual PC's.
  public static let vpc = ImageFormat("vpc")
  /// A VHD with every block of the disk in its place, as Azure takes it.
  public static let fixedVPC = ImageFormat("vpc-fixed")
}

extension FormatTraits {
  /// "Virtual Hard Disk Image Format Specification" 1.0, Microsoft.
  private static let largest = ByteSize(bytes: 2040 << 30)

  // Without force_size the size is rounded to whole cylinders.
  static let vpc = FormatTraits(
    format: .vpc, fileExtension: "vhd", qemuName: "vpc", conversionOptions: ["-o", "force_size=on"],
    largestDisk: largest, identity: { try vhdIdentity($0, $1, $2, isFixed: false) },
    otherFile: otherVHDFile)
  // 1 MiB: "Prepare Linux for imaging in Azure", Microsoft.
  static let fixedVPC = FormatTraits(
    format: .fixedVPC, fileExtension: "vhd", qemuName: "vpc",
    conversionOptions: ["-o", "subformat=fixed,force_size=on"], largestDisk: largest, diskUnit: .mebibytes(1),
    identity: { try vhdIdentity($0, $1, $2, isFixed: true) }, otherFile: otherVHDFile)

  /// Time, UUID and checksum of the footer, and of its copy at the beginning of a dynamic disk; that of a fixed one begins
  /// with the disk.
  private static func vhdIdentity(
    _ identifier: GUID, _ time: Int64, _ image: ImageBytes, isFixed: Bool
  ) throws -> [ByteEdit] {
    guard image.size >= 512 else { throw OddImage() }
    let end = image.size - 512
    // Seconds since 2000-01-01.
    let seconds = UInt32(clamping: time - 946_684_800)
    return try (isFixed ? [end] : [0, end]).map { place in
      var footer = try image.all(512, at: place)
      guard footer.starts(with: "conectix".utf8), footer[63] == (isFixed ? 2 : 3) else { throw OddImage() }
      footer.replace(at: 24, by: seconds.bigEndianBytes)
      footer.replace(at: 68, by: identifier.bytes)
      footer.replace(at: 64, by: [0, 0, 0, 0])
      let sum = ~footer.reduce(UInt32(0)) { $0 + UInt32($1) }
      footer.replace(at: 64, by: sum.bigEndianBytes)
      return ByteEdit(offset: place, bytes: footer)
    }
  }

  /// "Disk Type".
  private static func otherVHDFile(_ image: ImageBytes) throws -> String? {
    for place in [0, image.size - min(512, image.size)] {
      let footer = try image.bytes(512, at: place)
      if footer.starts(with: Array("conectix".utf8)), footer.bigEndian(at: 60, 4) == 4 {
        return "it has only the differences from another one"
      }
    }
    return nil
  }
}
