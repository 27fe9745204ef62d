internal import Command
internal import Foundation
package import SystemPackage

/// A channel in this machine's store: a folder with an expression `nixos`, as nixpkgs makes it.
package enum TestChannel {
  /// Adds it while the body runs.
  package static func with(
    scratch: FilePath, _ body: (_ storePath: String) async throws -> Void
  ) async throws {
    // A name of its own, as tests may run side by side.
    let folder = scratch.appending("channel-\(scratch.lastComponent?.string ?? "")")
    try FileManager.default.createDirectory(
      atPath: folder.appending("nixos").string, withIntermediateDirectories: true)
    try Data("{ }: { answer = 42; }".utf8).write(
      to: URL(fileURLWithPath: folder.appending("nixos/default.nix").string))
    let runner = SubprocessRunner()
    let path = try await runner.run("nix-store", "--add", folder.string)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    do {
      try await body(path)
    } catch {
      _ = try? await runner.run("nix-store", "--delete", path)
      throw error
    }
    try await runner.run("nix-store", "--delete", path)
  }
}
