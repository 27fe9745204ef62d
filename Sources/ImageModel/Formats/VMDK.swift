internal import Basics

extension ImageFormat {
  /// VMware's and VirtualBox's, which grows.
  public static let vmdk = ImageFormat("vmdk")
  /// A VMDK of compressed grains, for transport: streamOptimized.
  public static let streamVMDK = ImageFormat("vmdk-stream")
}

extension FormatTraits {
  /// 2 TiB, as grain tables have sectors as 32-bit numbers ("Virtual Disk Format 5.0", VMware).
  private static let largest = ByteSize(bytes: 2 << 40)

  // What VMware and VirtualBox run, and write to, as it is.
  static let vmdk = FormatTraits(
    format: .vmdk, fileExtension: "vmdk", qemuName: "vmdk",
    conversionOptions: ["-o", "subformat=monolithicSparse"], largestDisk: largest, identity: vmdkIdentity,
    otherFile: otherVMDKFile)
  // vSphere attaches a disk that says "ide" to no SCSI controller.
  static let streamVMDK = FormatTraits(
    format: .streamVMDK, fileExtension: "vmdk", qemuName: "vmdk",
    conversionOptions: ["-o", "subformat=streamOptimized,adapter_type=lsilogic"], largestDisk: largest,
    identity: vmdkIdentity, otherFile: otherVMDKFile)

  /// `CID` of the embedded descriptor. qemu-img writes it without leading zeros, so that what follows moves.
  private static func vmdkIdentity(
    _ identifier: GUID, _: Int64, _ image: ImageBytes
  ) throws -> [ByteEdit] {
    let header = try image.all(512, at: 0)
    guard header.starts(with: "KDMV".utf8) else { throw OddImage() }
    let (place, isTooFar) = header.littleEndian(at: 28, 8).multipliedReportingOverflow(by: 512)
    let (size, isTooLarge) = header.littleEndian(at: 36, 8).multipliedReportingOverflow(by: 512)
    guard !isTooFar, !isTooLarge, place > 0, (512...65536).contains(size) else { throw OddImage() }
    let text = String(decoding: try image.all(Int(size), at: place).prefix { $0 != 0 }, as: UTF8.self)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard let index = lines.firstIndex(where: { $0.hasPrefix("CID=") }) else { throw OddImage() }
    // All ones mean that there is no parent.
    let number = identifier.bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
    lines[index] = "CID=" + Hexadecimal.text(number.bigEndianBytes)
    let descriptor = Array(lines.joined(separator: "\n").utf8)
    guard descriptor.count < size else { throw OddImage() }
    let filler = [UInt8](repeating: 0, count: Int(size) - descriptor.count)
    return [ByteEdit(offset: place, bytes: descriptor + filler)]
  }

  /// QEMU takes whatever does not begin as an extent for a descriptor, and follows an embedded one that comes with no
  /// capacity; a parent it looks for at sector 1.
  private static func otherVMDKFile(_ image: ImageBytes) throws -> String? {
    let header = try image.bytes(512, at: 0)
    guard header.starts(with: Array("KDMV".utf8)), header.littleEndian(at: 12, 8) != 0 else {
      return "it is a descriptor, or of another format, and its extents are in other files"
    }
    let (place, isTooLarge) = header.littleEndian(at: 28, 8).multipliedReportingOverflow(by: 512)
    let descriptors = [
      try image.bytes(20 << 10, at: 512), isTooLarge ? [] : try image.bytes(20 << 10, at: place),
    ]
    let hint = Array("parentFileNameHint".utf8)
    return descriptors.contains { $0.firstRange(of: hint) != nil } ? "it has a parent" : nil
  }
}
