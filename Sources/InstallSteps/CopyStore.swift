internal import AgentProtocol
internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Threads

extension CopyStore {
  private static let mountPoint = "/mnt/source"

  /// Mounts the source disk, copies the store and the database from it, and unmounts it.
  ///
  /// The source disk holds the store paths in `/store`, and what belongs into `/nix/var/nix/db` in `/db`.
  func run(in context: StepContext) async throws {
    let step = self
    let place = Self.mountPoint
    let total = try await onThread {
      try Mounts.require(context.root)
      let node = try context.devices.disk(serial: step.sourceDisk).node
      try dropCachedBlocks(of: node)
      try Files.makeDirectories(place, below: "")
      try Mounts.mount(
        node, on: place, type: step.sourceType, options: [.readOnly, .noSetUID, .noDevices, .noAccessTimes])
      return try usedBytes(at: place)
    }
    let progress = CopyProgress(total: total, emit: context.emit)
    try await copyStore(from: place, to: context.root, workers: workers, progress: progress)
    progress.finish()
    try await onThread { try Mounts.unmount(place) }
  }
}

/// Copies `source/store` and `source/db` to their places below `root`, and makes what Nix itself would
/// make there.
func copyStore(from source: String, to root: String, workers: Int, progress: CopyProgress) async throws {
  try await onThread { try makeNixDirectories(below: root) }
  let store = "\(root)/nix/store"
  try await TreeCopy(from: "\(source)/store", to: store, progress: progress).run(workers: workers)
  try await TreeCopy(from: "\(source)/db", to: "\(root)/nix/var/nix/db", progress: progress).run(workers: 1)
  try await onThread {
    // As on NixOS: builders, group nixbld, may add to the store; the sticky bit keeps them from removing.
    try checked("give \(store) to the group nixbld") { chown(store, 0, nixbldGroup) }
    try checked("set the mode of \(store)") { chmod(store, 0o1775) }
    let database = "\(root)/nix/var/nix/db"
    try checked("set the mode of \(database)") { chmod(database, 0o755) }
    // Whoever made the source disk may have had another umask; every user of the image reads the database.
    for name in ["db.sqlite", "schema"] {
      try checked("set the mode of \(database)/\(name)") { chmod("\(database)/\(name)", 0o644) }
    }
    try Files.makeEmptyFile("\(database)/big-lock", mode: 0o600)
  }
}

/// NixOS's fixed number of the group nixbld (nixos/modules/misc/ids.nix).
private let nixbldGroup: gid_t = 30000

/// The directories that Nix makes when it opens a store for the first time, so that a first user who is not
/// root finds them.
private func makeNixDirectories(below root: String) throws {
  let state = "\(root)/nix/var/nix"
  for directory in ["\(root)/nix", "\(root)/nix/store", "\(root)/nix/var", "\(root)/nix/var/log", state] {
    try Files.makeDirectory(directory)
  }
  try Files.makeDirectory("\(root)/nix/var/log/nix")
  let names = [
    "db", "gcroots", "gcroots/auto", "gcroots/per-user", "profiles", "profiles/per-user", "temproots",
    "userpool",
  ]
  for name in names { try Files.makeDirectory("\(state)/\(name)") }
  try Files.makeLink("\(state)/gcroots/profiles", to: "/nix/var/nix/profiles")
}

/// Makes the kernel forget what it has read of the disk: the host may have written to it after this VM had
/// started.
private func dropCachedBlocks(of node: String) throws {
  let disk = try Files.open(node, O_RDONLY)
  defer { close(disk) }
  try checked("drop the cached blocks of \(node)") { ioctl(disk, UInt(slipway_BLKFLSBUF), 0) }
}

/// The space in use on the filesystem mounted at `place`.
private func usedBytes(at place: String) throws -> UInt64 {
  var status = statfs()
  try checked("ask for the size of the source disk") { slipway_statfs(place, &status) }
  return UInt64(status.f_blocks - status.f_bfree) * UInt64(status.f_bsize)
}
