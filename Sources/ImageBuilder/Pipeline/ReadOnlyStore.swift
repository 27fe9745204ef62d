internal import Command
internal import Foundation
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// A Nix store in a filesystem that cannot be written to, made by the filesystem's own tool.
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
    let command = HostCommand(
      attempt: "make the \(kind.rawValue) filesystem of the store", place: file,
      package: kind == .squashfs ? "squashfs-tools" : "erofs-utils",
      remedy: "Check the store with: nix-store --verify --check-contents")
    try await command.run {
      switch kind {
      case .squashfs: try await runner.run(squashfs(file))
      default: try await writeErofs(to: file, scratch: scratch)
      }
    }
  }

  /// The tool takes any number of sources, so nothing is staged.
  private func squashfs(_ file: FilePath) -> Command {
    let sources = tree.closure.paths.map(\.path.name)
    return Command(
      "env",
      ["--chdir=\(tree.store.directory)", "mksquashfs"] + sources + [file.string] + Self.squashfsOptions,
      // In the environment, since mksquashfs gives the text after `F` to a shell.
      environment: ["SLIPWAY_REGISTRATION": tree.registration.string])
  }

  private static let squashfsOptions =
    // Errors it would only warn of, and replace by empty files, end it.
    ["-exit-on-error", "-noappend", "-no-strip", "-no-progress", "-quiet", "-comp", "zstd"]
    // Nothing of the host shows: no owners, no labels, no times.
    + [
      "-all-root", "-no-xattrs", "-all-time", "1", "-mkfs-time", "1", "-root-time", "1", "-root-mode", "0755",
    ]
    + ["-p", "\(PouredTree.registrationName) F 1 0444 0 0 cat \"$SLIPWAY_REGISTRATION\""]

  /// The tool takes one folder, and before version 1.7 no archive: the store paths are copied into one.
  private func writeErofs(to file: FilePath, scratch: FilePath) async throws {
    let staged = scratch.appending("erofs")
    try FileSystem.makeDirectory(staged)
    let sources = tree.closure.paths.map(\.path.name)
    try await runner.run(
      Command(
        "env", ["--chdir=\(tree.store.directory)", "cp", "-a", "--reflink=auto"] + sources + [staged.string]))
    let registration = staged.appending(PouredTree.registrationName)
    try FileSystem.write(FileSystem.read(tree.registration), to: registration)
    try await runner.run("chmod", "0444", registration.string)
    try await runner.run("chmod", "0755", staged.string)
    // -x-1: no extended attributes, which are the host's. Compression is off: reading is what such a store is for.
    try await runner.run(
      "mkfs.erofs", "--quiet", "-T1", "--all-root", "-x-1", "-U", uuid.description, file.string,
      staged.string)
    try FileSystem.remove(staged)
  }
}
