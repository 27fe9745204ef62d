internal import ImageModel

/// The `efi` layout of make-disk-image: an ESP from 8 MiB to `bootSize`, and the root up to the end.
struct DiskGeometry {
  static let sectorSize: UInt64 = 512
  static let espStart: UInt64 = 8 << 20
  /// The backup table needs 33 sectors; one MiB keeps the root's end aligned.
  static let tail: UInt64 = 1 << 20
  static let alignment: UInt64 = 1 << 20

  /// Where the ESP ends and the root begins, in bytes.
  let bootEnd: UInt64
  /// The whole disk, in bytes.
  let size: UInt64

  /// The ESP's bytes.
  var espSize: ByteSize { ByteSize(bytes: bootEnd - Self.espStart) }
  /// The root's bytes.
  var rootSize: ByteSize { ByteSize(bytes: size - Self.tail - bootEnd) }

  /// The layout for a given disk size, or for the root that it must hold.
  ///
  /// - Throws: `SpecError` when the parts do not fit.
  init(bootSize: ByteSize, diskSize: DiskSize, need: ByteSize, free: ByteSize) throws(SpecError) {
    bootEnd = bootSize.bytes
    switch diskSize {
    case .auto:
      size =
        ByteSize(bytes: bootEnd + need.bytes + free.bytes + Self.tail).rounded(upTo: Self.alignment).bytes
    case .fixed(let fixed):
      size = fixed.bytes / Self.alignment * Self.alignment
      let least = ByteSize(bytes: bootEnd + need.bytes + Self.tail)
      guard size >= least.bytes else {
        throw SpecError(
          "diskSize",
          "\(fixed) is too small: the boot area, the closure and the filesystem need \(least) "
            + "(\(least.bytes) bytes)",
          remedy: "Set diskSize to \"auto\" or to at least \(least.bytes >> 20)M")
      }
    }
  }
}
