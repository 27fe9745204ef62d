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
  /// - Throws: `Fault` with the failed tool's last lines.
  func write(to file: FilePath, scratch: FilePath) async throws {
    guard case .readOnly(let arguments)? = FilesystemTraits.of(kind)?.use else {
      throw Fault(.badInput, "no tool makes a \(kind.rawValue) filesystem from a folder")
    }
    let staged = StagedTree(folder: scratch.appending("store"))
    try await onThread { try staged.write(tree.nodes()) }
    let command = HostCommand(
      attempt: "make the \(kind.rawValue) filesystem of the store", place: file,
      package: FilesystemTraits.of(kind)?.programs.first?.debianPackage ?? kind.tool,
      remedy: "Check the store with: nix-store --verify --check-contents")
    try await command.run {
      try await runner.run(Command(kind.tool, arguments(staged.folder.string, file.string, uuid)))
    }
    try HostFiles.remove(staged.folder)
  }
}
