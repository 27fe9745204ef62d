internal import Basics

extension ImageFormat {
  /// QEMU's own.
  public static let qcow2 = ImageFormat("qcow2")
  /// With clusters compressed by zstd.
  public static let compressedQcow2 = ImageFormat("qcow2-compressed")
}

extension FormatTraits {
  static let qcow2 = FormatTraits(
    format: .qcow2, fileExtension: "qcow2", qemuName: "qcow2", otherFile: otherQcow2File)
  static let compressedQcow2 = FormatTraits(
    format: .compressedQcow2, fileExtension: "qcow2", qemuName: "qcow2",
    conversionOptions: ["-c", "-o", "compression_type=zstd"], otherFile: otherQcow2File)

  /// QEMU, docs/interop/qcow2.txt: "Header", "Incompatible features".
  private static func otherQcow2File(_ image: ImageBytes) throws -> String? {
    let bytes = try image.bytes(Qcow2Header.length, at: 0)
    guard let header = Qcow2Header(bytes), header.needsOtherFiles else { return nil }
    let (place, length) = (bytes.bigEndian(at: 8, 8), bytes.bigEndian(at: 16, 4))
    guard place != 0 else { return "its data is in an external data file" }
    let name = try image.bytes(Int(min(length, 1023)), at: place)
    return "it has the backing file '\(String(decoding: name, as: UTF8.self))'"
  }
}
