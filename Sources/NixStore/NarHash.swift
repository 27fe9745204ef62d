internal import Basics
internal import Foundation

/// The SHA-256 of a store object's archive (NAR), as the Nix database records it.
package struct NarHash: Hashable, Sendable {
  /// 32 bytes.
  package let digest: [UInt8]

  /// Reads every spelling Nix reads: base 16, Nix's base 32 or base 64, with or without `sha256:`, and
  /// `sha256-…`.
  package init?(_ text: some StringProtocol) {
    var bytes = Array(text.utf8)
    let isSRI = bytes.starts(with: "sha256-".utf8)
    if isSRI || bytes.starts(with: "sha256:".utf8) { bytes.removeFirst(7) }
    let decoded: [UInt8]? =
      switch bytes.count {
      case 64 where !isSRI: decodeBase16(bytes)
      case 52 where !isSRI: NixBase32.decode(bytes)
      case 44: Data(base64Encoded: Data(bytes)).map(Array.init)
      default: nil
      }
    guard let decoded, decoded.count == 32 else { return nil }
    digest = decoded
  }
}

extension NarHash: CustomStringConvertible {
  /// The spelling of the Nix database: `sha256:` and 64 hexadecimal digits.
  package var description: String {
    "sha256:" + Hexadecimal.text(digest)
  }
}

/// Nix's own base 32: an alphabet without e, o, u and t, least significant digit last.
enum NixBase32 {
  private static let alphabet = Array("0123456789abcdfghijklmnpqrsvwxyz".utf8)

  /// The five bits a character stands for.
  static func value(of character: UInt8) -> UInt8? {
    alphabet.firstIndex(of: character).map(UInt8.init)
  }

  /// The bytes behind a whole string; nil for a foreign character or for bits that belong to no byte.
  static func decode(_ text: [UInt8]) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: text.count * 5 / 8)
    for (position, character) in text.reversed().enumerated() {
      guard let value = value(of: character) else { return nil }
      let (byte, shift) = (position * 5 / 8, position * 5 % 8)
      let bits = UInt16(value) << shift
      guard byte < bytes.count else { return nil }
      bytes[byte] |= UInt8(truncatingIfNeeded: bits)
      if byte + 1 < bytes.count {
        bytes[byte + 1] |= UInt8(bits >> 8)
      } else if bits >> 8 != 0 {
        return nil
      }
    }
    return bytes
  }
}

/// Lower-case digits only, as Nix writes them.
private func decodeBase16(_ text: [UInt8]) -> [UInt8]? {
  let bytes = Hexadecimal.bytes(String(decoding: text, as: UTF8.self))
  return bytes.flatMap { Hexadecimal.text($0).utf8.elementsEqual(text) ? $0 : nil }
}
