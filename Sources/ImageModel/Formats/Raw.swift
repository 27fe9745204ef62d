extension ImageFormat {
  /// The disk, byte by byte.
  public static let raw = ImageFormat("raw")
  /// The raw disk, compressed by zstd.
  public static let compressedRaw = ImageFormat("raw.zst")
  /// The raw disk as `disk.raw` in an archive, as Google's Compute Engine takes it.
  public static let archivedRaw = ImageFormat("raw.tar.gz")
}

extension FormatTraits {
  static let raw = FormatTraits(format: .raw, fileExtension: "img", qemuName: "raw")
  static let compressedRaw = FormatTraits(
    format: .compressedRaw, fileExtension: "img.zst", qemuName: "raw", packing: .zstd)
  // 1 GiB: "Manually import boot disks", Google.
  static let archivedRaw = FormatTraits(
    format: .archivedRaw, fileExtension: "raw.tar.gz", qemuName: "raw", packing: .tar,
    diskUnit: .mebibytes(1024))
}
