internal import ImageModel
internal import SystemPackage

/// Refuses images from outside whose disk is in other files as well: QEMU would open whatever file they name.
///
/// Their headers are read here, before any tool of QEMU sees them: its own report of an image opens an external data file
/// in some versions (CVE-2024-4467).
enum SelfContainedImage {
  /// - Throws: `BuildError` that names the other file where the image does.
  static func check(_ image: FilePath, _ format: ImageFormat) throws {
    let other: String? = try DiskFile.with(image) { file in
      switch format {
      case .qcow2, .compressedQcow2: try qcow2(file)
      case .vmdk, .streamVMDK: try vmdk(file)
      case .vpc, .fixedVPC: try vpc(file)
      // VDI and VHDX name a parent by its UUID alone, and QEMU refuses an image that has one.
      case .raw, .compressedRaw, .archivedRaw, .vdi, .vhdx: nil
      }
    }
    guard let other else { return }
    throw BuildError(
      .badInput, "\(image) is not a whole image: \(other)",
      remedy: "Make one of it where the other file is trusted: qemu-img convert -O raw")
  }

  /// QEMU, docs/interop/qcow2.txt: "Header", "Incompatible features".
  private static func qcow2(_ file: DiskFile) throws(Errno) -> String? {
    let header = try file.bytes(104, at: 0)
    guard header.starts(with: [0x51, 0x46, 0x49, 0xfb]) else { return nil }
    let (place, length) = (header.bigEndian(at: 8, 8), header.bigEndian(at: 16, 4))
    if place != 0 {
      let name = try file.bytes(Int(min(length, 1023)), at: place)
      return "it has the backing file '\(String(decoding: name, as: UTF8.self))'"
    }
    guard header.bigEndian(at: 4, 4) >= 3, header.bigEndian(at: 72, 8) & 1 << 2 != 0 else { return nil }
    return "its data is in an external data file"
  }

  /// "Virtual Disk Format 5.0", VMware. QEMU takes whatever does not begin as an extent for a descriptor, and follows an
  /// embedded one that comes with no capacity; a parent it looks for at sector 1.
  private static func vmdk(_ file: DiskFile) throws(Errno) -> String? {
    let header = try file.bytes(512, at: 0)
    guard header.starts(with: Array("KDMV".utf8)), header.littleEndian(at: 12, 8) != 0 else {
      return "it is a descriptor, or of another format, and its extents are in other files"
    }
    let (place, isTooLarge) = header.littleEndian(at: 28, 8).multipliedReportingOverflow(by: 512)
    let descriptors = [
      try file.bytes(20 << 10, at: 512), isTooLarge ? [] : try file.bytes(20 << 10, at: place),
    ]
    let hint = Array("parentFileNameHint".utf8)
    return descriptors.contains { $0.contains(hint) } ? "it has a parent" : nil
  }

  /// "Virtual Hard Disk Image Format Specification" 1.0, Microsoft: "Disk Type".
  private static func vpc(_ file: DiskFile) throws(Errno) -> String? {
    for place in [0, file.size - min(512, file.size)] {
      let footer = try file.bytes(512, at: place)
      if footer.starts(with: Array("conectix".utf8)), footer.bigEndian(at: 60, 4) == 4 {
        return "it has only the differences from another one"
      }
    }
    return nil
  }
}

extension [UInt8] {
  /// The big-endian number of `size` bytes at an offset; 0 where there are not as many.
  fileprivate func bigEndian(at offset: Int, _ size: Int) -> UInt64 {
    guard offset >= 0, offset + size <= count else { return 0 }
    return self[offset..<offset + size].reduce(0) { $0 << 8 | UInt64($1) }
  }
}
