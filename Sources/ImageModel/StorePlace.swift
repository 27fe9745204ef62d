/// Where an image has its Nix store.
public enum StorePlace: String, Codable, Sendable, CaseIterable {
  /// In its root filesystem.
  case image
  /// Nowhere: the image has the boot partitions alone, and the machine that boots it is given root and store.
  case host
}
