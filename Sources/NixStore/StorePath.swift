/// The name of one object in the Nix store: 32 characters of hash, a dash, and a name for people.
package struct StorePath: Hashable, Sendable {
  /// The only store directory there is: it is compiled into every reference inside a NixOS system.
  package static let storeDirectory = "/nix/store"

  /// The last component, as in `7rjqb838snvvxcmpvck1smfxhkwzqal5-hello-2.12`.
  package let name: String

  /// Accepts what Nix accepts as a name; nil for anything else.
  package init?(name: String) {
    let bytes = Array(name.utf8)
    guard bytes.count > 33, bytes.count <= 33 + 211, bytes[32] == UInt8(ascii: "-") else { return nil }
    guard bytes[..<32].allSatisfy({ NixBase32.value(of: $0) != nil }) else { return nil }
    guard bytes[33...].allSatisfy(isNameByte) else { return nil }
    self.name = name
  }

  /// Accepts exactly `/nix/store/NAME`; nil for anything else, paths inside a store object included.
  package init?(path: some StringProtocol) {
    let prefix = Self.storeDirectory + "/"
    guard path.hasPrefix(prefix) else { return nil }
    self.init(name: String(path.dropFirst(prefix.count)))
  }

  /// The whole path, as references and the Nix database spell it.
  package var path: String { Self.storeDirectory + "/" + name }

  /// Whether Nix takes the object for a derivation; it looks at nothing but the name.
  package var isDerivation: Bool { name.hasSuffix(".drv") }
}

extension StorePath: Comparable {
  /// Orders by bytes, as Nix orders its sets.
  package static func < (left: StorePath, right: StorePath) -> Bool {
    left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
  }
}

extension StorePath: CustomStringConvertible {
  package var description: String { path }
}

private func isNameByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
    UInt8(ascii: "A")...UInt8(ascii: "Z"):
    true
  default:
    "+-._?=".utf8.contains(byte)
  }
}
