internal import Basics
internal import BuildPlan
internal import Command
internal import Foundation
internal import SystemPackage

/// The raw disk as Google's Compute Engine takes it: a gzip-compressed archive in tar's old GNU format, with one member
/// of a fixed name ("Manually import boot disks", Google Cloud documentation).
struct DiskArchive {
  /// The folder with the disk and the archive.
  let tools: ToolFolder

  private static let member = "disk.raw"

  /// Writes the same bytes for the same disk: no name, time or user of this machine, and holes where there are zeros,
  /// not where this filesystem has them.
  func packing(_ disk: String, into archive: String) -> Command {
    tar(
      [
        "--create", "--use-compress-program=gzip -n -6", "--format=oldgnu", "--sparse",
        "--hole-detection=raw", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644",
        "--mtime=@\(ResolvedSpec.time)", "--transform=s,.*,\(Self.member),", "--file=\(archive)", "--", disk,
      ])
  }

  /// Unpacks an archive of the one member, and refuses any other.
  ///
  /// - Throws: `BuildError` of kind `badInput`; `CommandFailure`.
  func unpack(_ archive: String, to disk: String, by runner: any CommandRunner) async throws {
    let listing = try await runner.run(
      tar(["--list", "--verbose", "--gzip", "--quoting-style=c", "--file=\(archive)"]))
    // The first letter of a mode is the type of the file; a name in quotation marks has those within escaped.
    let members = listing.split(separator: "\n")
    guard members.count == 1, members[0].hasPrefix("-"), members[0].hasSuffix(" \"\(Self.member)\"") else {
      throw Self.refusal
    }
    let folder = tools.path.appending("unpacking")
    try FileSystem.makeDirectory(folder, mode: 0o700)
    defer { try? FileSystem.remove(folder) }
    try await runner.run(
      tar(
        [
          "--extract", "--gzip", "--no-same-owner", "--no-same-permissions", "--touch", "--file=\(archive)",
          "--directory=unpacking", "--", Self.member,
        ]))
    let file = folder.appending(Self.member)
    guard FileSystem.isRegularFile(file),
      let mode = (try? FileStatus(of: tools.path.appending(archive)))?.mode,
      chmod(file.string, mode & 0o666) == 0
    else { throw Self.refusal }
    try FileSystem.rename(file, to: tools.path.appending(disk))
  }

  /// GNU tar without further options out of the environment.
  private func tar(_ arguments: [String]) -> Command {
    tools.command(
      "tar", ["--force-local", "--no-unquote"] + arguments,
      environment: ["TAR_OPTIONS": "", "GZIP": "", "LC_ALL": "C", "TZ": "UTC"])
  }

  private static let refusal = BuildError(
    .badInput, "the image is not an archive of one regular file, '\(member)'",
    remedy: "Give an image of the format raw.tar.gz, or name its format with --format")
}
