internal import Basics
internal import BuildPlan
internal import Command
internal import SystemPackage

/// The raw disk as Google's Compute Engine takes it: a gzip-compressed archive in tar's old GNU format, with one member
/// of a fixed name ("Manually import boot disks", Google Cloud documentation).
struct DiskArchive {
  /// The folder with the disk and the archive.
  let tools: ToolFolder
  /// The time of the member, in seconds since 1970.
  var time = ResolvedSpec.fixedTime

  private static let member = "disk.raw"

  /// Writes the same bytes for the same disk: no name, time or user of this machine, and holes where there are zeros,
  /// not where this filesystem has them.
  func packing(_ disk: String, into archive: String) -> Command {
    tar(
      [
        "--create", "--use-compress-program=gzip -n -6", "--format=oldgnu", "--sparse",
        "--hole-detection=raw", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644",
        "--mtime=@\(time)", "--transform=s,.*,\(Self.member),", "--file=\(archive)", "--", disk,
      ])
  }

  /// The words that unpack an archive of the one member, from standard input to standard output.
  ///
  /// - Throws: `Fault` of kind `badInput` for any other archive; `CommandFailure`.
  func unpacking(_ archive: String, by runner: any CommandRunner) async throws -> Command {
    let listing = try await runner.run(
      tar(["--list", "--verbose", "--gzip", "--quoting-style=c", "--file=\(archive)"]))
    // The first letter of a mode is the type of the file; a name in quotation marks has those within escaped.
    let members = listing.split(separator: "\n")
    guard members.count == 1, members[0].hasPrefix("-"), members[0].hasSuffix(" \"\(Self.member)\"") else {
      throw Self.refusal
    }
    return tar(["--extract", "--gzip", "--to-stdout", "--file=-", "--", Self.member])
  }

  /// GNU tar without further options out of the environment.
  private func tar(_ arguments: [String]) -> Command {
    tools.command(
      "tar", ["--force-local", "--no-unquote"] + arguments,
      environment: ["TAR_OPTIONS": "", "GZIP": "", "LC_ALL": "C", "TZ": "UTC"])
  }

  private static let refusal = Fault(
    .badInput, "the image is not an archive of one regular file, '\(member)'",
    remedy: "Give an image of the format raw.tar.gz, or name its format with --format")
}
