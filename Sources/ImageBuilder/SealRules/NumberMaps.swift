internal import Foundation

extension SealRule {
  /// What NixOS remembers of numbers that it gave: JSON objects, of which `auto-subuid-map` is written in the order of a
  /// hash.
  static let numberMaps = ["uid-map", "gid-map", "auto-subuid-map"].map { name in
    content(of: "/var/lib/nixos/\(name)") { bytes in
      guard let map = try? JSONDecoder().decode([String: UInt32].self, from: Data(bytes)) else { return nil }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      guard let sorted = try? encoder.encode(map) else { return nil }
      return Array(sorted) + (bytes.last == UInt8(ascii: "\n") ? [UInt8(ascii: "\n")] : [])
    }
  }

  /// The names that NixOS remembers as its own: a set, with spaces between.
  static let nameLists = ["declarative-users", "declarative-groups"].map { name in
    content(of: "/var/lib/nixos/\(name)") { bytes in
      let space = UInt8(ascii: " ")
      guard bytes.allSatisfy({ $0 >= space }) else { return nil }
      return Array(
        bytes.split(separator: space, omittingEmptySubsequences: false)
          .sorted { $0.lexicographicallyPrecedes($1) }.joined(separator: [space]))
    }
  }
}
