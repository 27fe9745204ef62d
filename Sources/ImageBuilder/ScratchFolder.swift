internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// A private folder in the system's place for temporary files.
enum ScratchFolder {
  /// Runs `body` with a fresh folder, removed on every way out, also when this process is killed.
  static func with<Result>(
    _ purpose: String, mode: mode_t = 0o700, _ body: (FilePath) async throws -> Result
  ) async throws -> Result {
    let base = FilePath(NSTemporaryDirectory())
    let folder = base.appending("slipway-\(purpose)-\(UUID().uuidString.prefix(8).lowercased())")
    try FileSystem.makeDirectory(folder, mode: mode)
    defer { try? FileSystem.remove(folder) }
    let leftover = try await ProcessFolder.removeAtExit(folder)
    defer { leftover.dismiss() }
    return try await body(folder)
  }
}
