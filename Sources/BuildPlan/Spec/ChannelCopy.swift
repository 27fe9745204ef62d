/// The Nix channel of the image's root user: a folder with `nixos` in it, as nix-channel makes it.
public enum ChannelCopy: Hashable, Sendable {
  /// There is none.
  case none
  /// This store path.
  case path(String)

  /// The channel's path, if there is one.
  package var path: String? {
    switch self {
    case .none: nil
    case .path(let path): path
    }
  }
}

extension ChannelCopy: Codable {
  /// Decodes what `encode` wrote. Specs are read by `ImageSpec.init(json:)`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    self = (try? container.decode(String.self)).map { .path($0) } ?? .none
  }

  /// Encodes the path, or false.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .none: try container.encode(false)
    case .path(let path): try container.encode(path)
    }
  }
}
