/// A line of `nix-support/hydra-build-products`, as Hydra's queue runner reads it.
package struct HydraProduct: Equatable {
  package var type: String
  package var subtype: String
  /// Absolute; what is not there, Hydra passes over.
  package var path: String

  /// Reads a line by Hydra's own pattern.
  ///
  /// - Returns: nil for a line that Hydra passes over without a word.
  package init?(line: some StringProtocol) {
    let pattern =
      /([a-zA-Z0-9_-]+)[ \t]+([a-zA-Z0-9_-]+)[ \t]+("[^"]+"|[^ \t<>"]+)([ \t]+[^ \t<>]+)?/
    guard let match = String(line).wholeMatch(of: pattern) else { return nil }
    type = String(match.1)
    subtype = String(match.2)
    path = match.3.filter { $0 != "\"" }
    guard path.hasPrefix("/"), !path.contains("//"), !path.hasSuffix("/") else { return nil }
  }
}
