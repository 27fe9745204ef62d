/// The disk image formats: those of make-disk-image, and three more.
public enum ImageFormat: String, Codable, Sendable, CaseIterable {
  case raw, qcow2, vdi, vpc, vmdk, vhdx
  case compressedQcow2 = "qcow2-compressed"
  /// The raw disk, compressed by zstd.
  case compressedRaw = "raw.zst"

  /// The file name's extension, as make-disk-image spells it.
  public var fileExtension: String {
    switch self {
    case .raw: "img"
    case .qcow2, .compressedQcow2: "qcow2"
    case .vdi: "vdi"
    case .vpc: "vhd"
    case .vmdk: "vmdk"
    case .vhdx: "vhdx"
    case .compressedRaw: "img.zst"
    }
  }

  /// The format of a file with this name; nil for an extension that no format has.
  public static func named(by fileName: String) -> ImageFormat? {
    allCases.first { fileName.hasSuffix(".\($0.fileExtension)") }
  }

  /// The name for QEMU of the disk in the file; that of `raw.zst` has to be unpacked first.
  public var qemuName: String {
    switch self {
    case .compressedQcow2: "qcow2"
    case .compressedRaw: "raw"
    case .raw, .qcow2, .vdi, .vpc, .vmdk, .vhdx: rawValue
    }
  }

  /// The largest disk that the format can hold; nil where it is no limit in practice.
  ///
  /// - vpc: 2040 GiB, "Virtual Hard Disk Image Format Specification" 1.0, Microsoft.
  /// - vmdk: 2 TiB, as grain tables have sectors as 32-bit numbers ("Virtual Disk Format 5.0", VMware).
  /// - vhdx: 64 TiB, "[MS-VHDX] Virtual Hard Disk v2 File Format", 2.6.2.2.
  public var largestDisk: ByteSize? {
    switch self {
    case .vpc: ByteSize(bytes: 2040 << 30)
    case .vmdk: ByteSize(bytes: 2 << 40)
    case .vhdx: ByteSize(bytes: 64 << 40)
    case .raw, .qcow2, .compressedQcow2, .vdi, .compressedRaw: nil
    }
  }
}
