internal import Basics

extension ImageFormat {
  /// VirtualBox's.
  public static let vdi = ImageFormat("vdi")
}

extension FormatTraits {
  // It names a parent by its UUID alone, and QEMU refuses an image that has one.
  static let vdi = FormatTraits(
    format: .vdi, fileExtension: "vdi", qemuName: "vdi",
    // `uuidCreate` and `uuidModify` of the header (VirtualBox, VDICore.h: `VDIHEADER1`).
    identity: { identifier, _, image in
      let header = try image.all(512, at: 0)
      guard header.littleEndian(at: 64, 4) == 0xbeda_107f, header.littleEndian(at: 68, 4) == 0x0001_0001
      else { throw OddImage() }
      return [392, 408].map { ByteEdit(offset: $0, bytes: identifier.littleEndianBytes) }
    })
}
