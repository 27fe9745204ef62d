internal import Basics
internal import Command
internal import Ext4
internal import Foundation
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// A Nix store in a filesystem that cannot be written to, made by the filesystem's own tool.
///
/// The tool is given one folder with a copy of the tree: so it sees what is poured into ext4, and nothing of how this
/// host keeps the store, and its command does not grow with the closure. Where the host's filesystem can share blocks,
/// the copy takes none.
struct ReadOnlyStore: Sendable {
  let tree: PouredTree
  let kind: FilesystemKind
  let uuid: GUID
  let runner: any CommandRunner

  /// Writes the filesystem into a file of its own; its size is known only then.
  ///
  /// - Parameter scratch: a folder for what the tool needs.
  /// - Throws: `BuildError` with the failed tool's last lines.
  func write(to file: FilePath, scratch: FilePath) async throws {
    let staged = StagedTree(folder: scratch.appending("store"))
    try await ext4ErrorsAsBuildErrors(.failed) {
      try await onThread { try staged.write(tree.nodes()) }
    }
    let command = HostCommand(
      attempt: "make the \(kind.rawValue) filesystem of the store", place: file,
      package: kind == .squashfs ? "squashfs-tools" : "erofs-utils",
      remedy: "Check the store with: nix-store --verify --check-contents")
    try await command.run {
      switch kind {
      case .squashfs: try await runner.run(squashfs(staged.folder, file))
      default: try await runner.run(erofs(staged.folder, file))
      }
    }
    try FileSystem.remove(staged.folder)
  }

  /// Errors that it would only warn of, and replace by empty files, end it. Nothing of the host shows: no owners, no
  /// labels, no times.
  private func squashfs(_ folder: FilePath, _ file: FilePath) -> Command {
    Command(
      "mksquashfs",
      [
        folder.string, file.string, "-exit-on-error", "-noappend", "-no-progress", "-quiet", "-comp", "zstd",
        "-all-root", "-no-xattrs", "-all-time", "1", "-mkfs-time", "1", "-root-time", "1", "-root-mode",
        "0755",
      ])
  }

  /// -x-1: no extended attributes, which are the host's. Compression is off: reading is what such a store is for.
  private func erofs(_ folder: FilePath, _ file: FilePath) -> Command {
    Command(
      "mkfs.erofs",
      ["--quiet", "-T1", "--all-root", "-x-1", "-U", uuid.description, file.string, folder.string])
  }
}
