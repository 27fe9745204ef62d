internal import Crypto
package import ImageModel

/// Derives every identifier of an image from one seed, so that the same input gives the same image.
package struct Identifiers: Sendable {
  /// The name space of seeds that are derived from systems' store paths.
  private static let nameSpace: [UInt8] = Array("slipway image id".utf8)

  let seed: GUID

  /// Identifiers from the seed of the spec, or from the systems' store paths when it has none.
  package init(seed: GUID?, systems: [String]) {
    self.seed = seed ?? Self.version5(nameSpace: Self.nameSpace, name: systems.joined(separator: "\n"))
  }

  /// The identifier of one thing of the image, such as `partition/ESP`.
  package func guid(_ name: String) -> GUID {
    Self.version5(nameSpace: seed.bytes, name: name)
  }

  /// A version 5 UUID (RFC 4122, 4.3): SHA-1 over name space and name, cut to 128 bits.
  private static func version5(nameSpace: [UInt8], name: String) -> GUID {
    let digest = Array(Insecure.SHA1.hash(data: nameSpace + Array(name.utf8)))
    func half(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    let version = half(digest[0..<8]) & ~0xf000 | 0x5000
    let variant = half(digest[8..<16]) & ~(0b11 << 62) | 0b10 << 62
    return GUID(high: version, low: variant)
  }
}
