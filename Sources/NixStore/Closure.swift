/// What the Nix database knows about one store object.
package struct StorePathInfo: Hashable, Sendable {
  package var path: StorePath
  package var narHash: NarHash
  /// The length of the object's archive (NAR), in bytes.
  package var narSize: UInt64
  /// The derivation that made it, as Nix noted it; it need not be in any store.
  package var deriver: StorePath?
  /// What it refers to, itself included where it does; sorted, without duplicates.
  package var references: [StorePath]
  /// The claim that makes the path content-addressed, in Nix's spelling (`fixed:r:sha256:…`,
  /// `text:sha256:…`).
  package var contentAddress: String?

  package init(
    path: StorePath, narHash: NarHash, narSize: UInt64, deriver: StorePath? = nil,
    references: some Sequence<StorePath> = [], contentAddress: String? = nil
  ) {
    self.path = path
    self.narHash = narHash
    self.narSize = narSize
    self.deriver = deriver
    self.references = Set(references).sorted()
    self.contentAddress = contentAddress
  }
}

/// All store objects an image carries, with their registration.
package struct Closure: Hashable, Sendable {
  /// The system and the additional paths it was asked for.
  package let roots: [StorePath]
  /// One entry a path, sorted by path.
  package let paths: [StorePathInfo]

  package init(roots: [StorePath], paths: some Sequence<StorePathInfo>) {
    self.roots = roots
    self.paths = paths.sorted { $0.path < $1.path }
  }
}
