internal import BuildPlan
internal import Ext4
internal import NixStore

/// The tree that the host pours: a closure with its registration, and what else goes into the image.
struct PouredTree: Sendable {
  let closure: Closure
  let store: StoreLocation
  let shape: PourPlan.Tree
  let contents: HostContents
  /// The filesystems that the tree comes to be on, by their places.
  var filesystems: [MountedPlace] = []
  /// The channel that root gets.
  var channel: StorePath?
  /// The time of all that is not a store object, and the latest that any of it has.
  var time = Timestamp(seconds: ResolvedSpec.fixedTime)
  /// The closure's Nix database, or, for a store alone, its registration.
  var registration: [UInt8] = []

  /// NixOS's fixed number of the group nixbld (nixos/modules/misc/ids.nix).
  private static let nixbldGroup: UInt32 = 30000
  /// As in NixOS's own images of a store.
  static let registrationName = "nix-path-registration"

  /// The directories that Nix makes when it opens a store for the first time, so that a first user who is not root
  /// finds them.
  private static let directories = [
    "", "nix", "nix/var", "nix/var/log", "nix/var/log/nix", "nix/var/nix", "nix/var/nix/db",
    "nix/var/nix/gcroots", "nix/var/nix/gcroots/auto", "nix/var/nix/gcroots/per-user",
    "nix/var/nix/profiles", "nix/var/nix/profiles/per-user", "nix/var/nix/temproots", "nix/var/nix/userpool",
  ]

  /// The nodes, in the order in which they are poured.
  func nodes() -> any NodeSource {
    let own = shape == .root ? rootNodes : storeNodes
    let folder = shape == .root ? "nix/store/" : ""
    let objects = closure.paths.compactMap { info in
      TreePath(folder + info.path.name).map { FileTree.Root(host: store.file(of: info.path), path: $0) }
    }
    let merged = MergedNodes(
      [ListedNodes(own + channelNodes), FileTree(objects, rules: .storeObjects)]
        + contents.sources(time: time))
    return FittingNodes(merged, on: filesystems)
  }

  private var channelNodes: [Node] {
    // In a store alone it is one more path.
    guard shape == .root, let channel else { return [] }
    return Channel.nodes(for: channel, in: store, time: time)
  }

  private var rootNodes: [Node] {
    let state = "nix/var/nix"
    return Self.directories.map { node($0, .directory, mode: 0o755) } + [
      // Builders may add to the store; the sticky bit keeps them from removing.
      node("nix/store", .directory, mode: 0o1775, group: Self.nixbldGroup),
      node(
        "\(state)/gcroots/profiles", .symbolicLink(target: Array("/nix/var/nix/profiles".utf8)), mode: 0o777),
      node("\(state)/db/db.sqlite", .file(.bytes(registration)), mode: 0o644),
      node("\(state)/db/schema", .file(.bytes(Array(NixDatabase.schemaVersion.utf8))), mode: 0o644),
      node("\(state)/db/big-lock", .file(.bytes([])), mode: 0o600),
    ]
  }

  private var storeNodes: [Node] {
    [
      node("", .directory, mode: 0o755),
      node(Self.registrationName, .file(.bytes(registration)), mode: 0o444),
    ]
  }

  private func node(_ path: String, _ kind: Node.Kind, mode: UInt16, group: UInt32 = 0) -> Node {
    Node(
      path: TreePath(path) ?? .root, kind: kind,
      attributes: Attributes(mode: mode, group: group, time: time))
  }

  /// Makes what the tree has beside the store, where it was not given: the database, or the registration.
  ///
  /// - Throws: `Fault`.
  mutating func register() async throws {
    guard registration.isEmpty else { return }
    registration =
      switch shape {
      case .root: try await NixDatabase.bytes(of: closure, from: store, registrationTime: 1)
      case .store: closure.registrationText
      }
  }
}
