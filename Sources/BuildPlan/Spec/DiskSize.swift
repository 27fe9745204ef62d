public import ImageModel

/// The size of the whole disk.
public enum DiskSize: Hashable, Sendable {
  /// What the closure needs, and `additionalSpace`.
  case auto
  /// Exactly this much.
  case fixed(ByteSize)

  /// Reads `auto`, a size with a suffix, or a bare number of MiB as make-disk-image takes it.
  public init?(_ text: String) {
    if text == "auto" {
      self = .auto
    } else if let mebibytes = UInt64(text), mebibytes <= UInt64.max >> 20 {
      self = .fixed(.mebibytes(mebibytes))
    } else if text.contains(where: \.isLetter), let size = ByteSize(text) {
      self = .fixed(size)
    } else {
      return nil
    }
  }
}

extension DiskSize: Codable {
  /// Decodes what `encode` wrote: `"auto"`, or a number of bytes. Specs are read by `ImageSpec.init(json:)`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let size = try? container.decode(ByteSize.self) {
      self = .fixed(size)
    } else if try container.decode(String.self) == "auto" {
      self = .auto
    } else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "neither auto nor a size")
    }
  }

  /// Encodes `"auto"`, or the number of bytes.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .auto: try container.encode("auto")
    case .fixed(let size): try container.encode(size)
    }
  }
}
