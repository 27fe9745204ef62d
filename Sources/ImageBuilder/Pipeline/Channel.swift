internal import Basics
internal import BuildPlan
internal import Ext4
internal import Foundation
internal import NixStore
internal import SystemPackage

/// Root's Nix channel in the image: what `nixos-install --channel` makes of a store path.
enum Channel {
  /// Finds the channel in the store.
  ///
  /// - Throws: `SpecError` when it is not in the store, or nothing that Nix would find a channel in.
  static func find(_ text: String, in store: StoreLocation) throws(SpecError) -> StorePath {
    let key = "copyChannel"
    let path: StorePath
    do {
      path = try store.storePath(of: text, from: FilePath(FileManager.default.currentDirectoryPath))
    } catch {
      throw SpecError(
        key, "'\(text)' is not a path in the Nix store\((error as? Fault).map { ": \($0.cause)" } ?? "")",
        remedy: "Add the folder with 'nix-store --add', and give the path that it prints")
    }
    guard
      store.entries(of: FilePath(path.path)).contains(where: { store.exists($0.appending("default.nix")) })
    else {
      throw SpecError(
        key, "'\(text)' has no folder with a default.nix in it",
        remedy: "Give the folder that has 'nixos' or 'nixpkgs' in it, not that one itself")
    }
    return path
  }

  /// The profile, its first generation, and the link by which Nix's commands find it.
  static func nodes(for channel: StorePath, in store: StoreLocation, time: Timestamp) -> [Node] {
    let profiles = "nix/var/nix/profiles/per-user/root"
    func node(_ path: String, _ kind: Node.Kind, mode: UInt16) -> Node {
      Node(path: TreePath(path) ?? .root, kind: kind, attributes: Attributes(mode: mode, time: time))
    }
    func link(_ path: String, _ target: String) -> Node {
      node(path, .symbolicLink(target: Array(target.utf8)), mode: 0o777)
    }
    return [
      node(profiles, .directory, mode: 0o755),
      link("\(profiles)/channels-1-link", channel.path),
      link("\(profiles)/channels", "channels-1-link"),
      node("root", .directory, mode: 0o700),
      node("root/.nix-defexpr", .directory, mode: 0o700),
      link("root/.nix-defexpr/channels", "/\(profiles)/channels"),
    ]
  }
}
