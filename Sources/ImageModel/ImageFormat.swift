/// The disk image formats of make-disk-image.
public enum ImageFormat: String, Codable, Sendable, CaseIterable {
  case raw, qcow2, vdi, vpc
  case compressedQcow2 = "qcow2-compressed"

  /// The file name's extension, as make-disk-image spells it.
  public var fileExtension: String {
    switch self {
    case .raw: "img"
    case .qcow2, .compressedQcow2: "qcow2"
    case .vdi: "vdi"
    case .vpc: "vhd"
    }
  }

  /// The format's name for QEMU.
  public var qemuName: String {
    self == .compressedQcow2 ? "qcow2" : rawValue
  }
}
