/// All that Slipway knows of one format.
package struct FormatTraits: Sendable {
  /// How a raw disk is packed in a file.
  package enum Packing: Hashable, Sendable {
    /// Compressed as it is.
    case zstd
    /// As `disk.raw` in a tar archive, compressed by gzip.
    case tar
  }

  /// Reads an image's structures, and says what to write where to give it an identifier and a time (seconds since 1970)
  /// in place of those that qemu-img takes from chance and the clock. Only fields that the format has for this purpose are
  /// written, and the checksums over them.
  ///
  /// - Throws: `OddImage`, and what reading throws.
  package typealias Identity =
    @Sendable (_ identifier: GUID, _ time: Int64, _ image: ImageBytes) throws
    -> [ByteEdit]

  /// What else an image is made of, as the end of "it is not a whole image"; nil for a whole one.
  package typealias OtherFile = @Sendable (_ image: ImageBytes) throws -> String?

  package var format: ImageFormat
  package var fileExtension: String
  package var qemuName: String
  package var packing: Packing?
  package var conversionOptions: [String] = []
  package var largestDisk: ByteSize?
  package var diskUnit: ByteSize?
  package var identity: Identity?
  package var otherFile: OtherFile?

  /// Every format.
  static let all: [FormatTraits] = [
    raw, qcow2, vdi, vpc, vmdk, vhdx, compressedQcow2, compressedRaw, fixedVPC, streamVMDK, archivedRaw,
  ]

  private static let byFormat = Dictionary(uniqueKeysWithValues: all.map { ($0.format, $0) })

  /// A format can only be made from the list.
  static func of(_ format: ImageFormat) -> FormatTraits { byFormat[format] ?? raw }
}

/// An image file that is read in pieces.
package struct ImageBytes {
  /// Bytes of the file.
  package let size: UInt64
  private let read: (_ count: Int, _ offset: UInt64) throws -> [UInt8]

  /// - Parameter read: gives fewer bytes at the end of the file, and none past it.
  package init(size: UInt64, read: @escaping (_ count: Int, _ offset: UInt64) throws -> [UInt8]) {
    self.size = size
    self.read = read
  }

  /// The bytes at an offset, fewer at the end.
  package func bytes(_ count: Int, at offset: UInt64) throws -> [UInt8] { try read(count, offset) }

  /// The bytes at an offset, all of them.
  ///
  /// - Throws: `OddImage` when the file ends before.
  package func all(_ count: Int, at offset: UInt64) throws -> [UInt8] {
    let bytes = try read(count, offset)
    guard bytes.count == count else { throw OddImage() }
    return bytes
  }
}

/// Bytes to write into a file.
package struct ByteEdit: Hashable, Sendable {
  package var offset: UInt64
  package var bytes: [UInt8]
}

/// A file that is not what its format says; whoever reads it knows which file it is.
package struct OddImage: Error {
  package init() {}
}
