/// A disk image format: those of make-disk-image, and more. Each is one value beside this file, and one entry of
/// `allCases`.
///
/// What a cloud wants of an image is in "Formats" of docs/reference.md, with its sources.
public struct ImageFormat: RawRepresentable, Hashable, Codable, Sendable, CaseIterable {
  /// Its name in a spec.
  public let rawValue: String

  /// - Returns: nil for a name that no format has.
  public init?(rawValue: String) {
    guard let format = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = format
  }

  init(_ name: String) { rawValue = name }

  /// Every format. Of those with one extension the first one is read for all.
  public static let allCases: [ImageFormat] = FormatTraits.all.map(\.format)

  private var traits: FormatTraits { .of(self) }

  /// The file name's extension, as make-disk-image spells it.
  public var fileExtension: String { traits.fileExtension }

  /// The format of a file with this name; nil for an extension that no format has. Of formats with one extension it is
  /// the first, which is read in the same way as the others.
  public static func named(by fileName: String) -> ImageFormat? {
    allCases.first { fileName.hasSuffix(".\($0.fileExtension)") }
  }

  /// How the raw disk is packed in the file; nil where QEMU reads it as it is.
  package var packing: FormatTraits.Packing? { traits.packing }

  /// Whether the file has to be unpacked before anything can read the disk in it.
  public var isPacked: Bool { packing != nil }

  /// The name for QEMU of the disk in the file, after unpacking where it is packed.
  public var qemuName: String { traits.qemuName }

  /// Further arguments for `qemu-img convert`.
  package var conversionOptions: [String] { traits.conversionOptions }

  /// The largest disk that the format can hold; nil where it is no limit in practice.
  public var largestDisk: ByteSize? { traits.largestDisk }

  /// What the disk's size has to be a multiple of, a power of two; nil where any size will do.
  public var diskUnit: ByteSize? { traits.diskUnit }

  /// What gives an image its identifiers and time; nil for a format without any.
  package var identity: FormatTraits.Identity? { traits.identity }

  /// What finds the other files that an image names; nil for a format that names none, or that QEMU refuses then.
  package var otherFile: FormatTraits.OtherFile? { traits.otherFile }
}
