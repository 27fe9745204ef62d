/// The disk image formats: those of make-disk-image, and more.
///
/// What a cloud wants of an image is in "Formats" of docs/reference.md, with its sources.
public enum ImageFormat: String, Codable, Sendable, CaseIterable {
  case raw, qcow2, vdi, vpc, vmdk, vhdx
  case compressedQcow2 = "qcow2-compressed"
  /// The raw disk, compressed by zstd.
  case compressedRaw = "raw.zst"
  /// A VHD with every block of the disk in its place, as Azure takes it.
  case fixedVPC = "vpc-fixed"
  /// A VMDK of compressed grains, for transport: streamOptimized.
  case streamVMDK = "vmdk-stream"
  /// The raw disk as `disk.raw` in an archive, as Google's Compute Engine takes it.
  case archivedRaw = "raw.tar.gz"

  /// The file name's extension, as make-disk-image spells it.
  public var fileExtension: String {
    switch self {
    case .raw: "img"
    case .qcow2, .compressedQcow2: "qcow2"
    case .vdi: "vdi"
    case .vpc, .fixedVPC: "vhd"
    case .vmdk, .streamVMDK: "vmdk"
    case .vhdx: "vhdx"
    case .compressedRaw: "img.zst"
    case .archivedRaw: "raw.tar.gz"
    }
  }

  /// The format of a file with this name; nil for an extension that no format has. Of formats with one extension it is
  /// the first, which is read in the same way as the others.
  public static func named(by fileName: String) -> ImageFormat? {
    allCases.first { fileName.hasSuffix(".\($0.fileExtension)") }
  }

  /// Whether the file has to be unpacked before anything can read the disk in it.
  public var isPacked: Bool { self == .compressedRaw || self == .archivedRaw }

  /// The name for QEMU of the disk in the file, after unpacking where it is packed.
  public var qemuName: String {
    switch self {
    case .compressedQcow2: "qcow2"
    case .fixedVPC: "vpc"
    case .streamVMDK: "vmdk"
    case .compressedRaw, .archivedRaw: "raw"
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
    case .vpc, .fixedVPC: ByteSize(bytes: 2040 << 30)
    case .vmdk, .streamVMDK: ByteSize(bytes: 2 << 40)
    case .vhdx: ByteSize(bytes: 64 << 40)
    case .raw, .qcow2, .compressedQcow2, .vdi, .compressedRaw, .archivedRaw: nil
    }
  }

  /// What the disk's size has to be a multiple of, a power of two; nil where any size will do.
  ///
  /// - vpc-fixed: 1 MiB, "Prepare Linux for imaging in Azure", Microsoft.
  /// - raw.tar.gz: 1 GiB, "Manually import boot disks", Google.
  public var diskUnit: ByteSize? {
    switch self {
    case .fixedVPC: .mebibytes(1)
    case .archivedRaw: .mebibytes(1024)
    default: nil
    }
  }
}
