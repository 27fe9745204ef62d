internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// The output folder of a build: made beside its final place, and put there only when all of it is ready.
struct OutputFolder {
  /// Where the user wants it.
  let destination: FilePath
  /// Where it is made. In the same folder as `destination`, so that the last move is a rename.
  let work: FilePath
  private let force: Bool

  /// Runs `body` with a fresh work folder, and moves that to `out` when `body` returns. When it throws, nothing
  /// is left of it.
  ///
  /// - Parameter isPrivate: whether nobody but its owner and root may look into it, now and later.
  /// - Throws: `BuildError` when `out` exists and `force` is off, or when its parent cannot be written.
  static func with<Result>(
    _ out: String, force: Bool, isPrivate: Bool = false, _ body: (OutputFolder) async throws -> Result
  ) async throws -> Result {
    let folder = try OutputFolder(out, force: force, isPrivate: isPrivate)
    do {
      // Also when this process is killed.
      let leftover = try await ProcessFolder.removeAtExit(folder.work)
      let result = try await body(folder)
      try folder.commit()
      leftover.dismiss()
      return result
    } catch {
      try? FileSystem.remove(folder.work)
      throw error
    }
  }

  private init(_ out: String, force: Bool, isPrivate: Bool) throws {
    destination = FilePath(URL(fileURLWithPath: out).standardizedFileURL.path)
    self.force = force
    guard let name = destination.lastComponent?.string else {
      throw BuildError(
        .badInput, "--out \(out) is not a folder that can be made", remedy: "Name a new folder")
    }
    let parent = destination.removingLastComponent()
    work = parent.appending(".\(name).slipway-\(getpid())")
    guard FileSystem.exists(parent) else {
      throw BuildError(
        .badInput, "the folder \(parent), in which \(name) would be made, does not exist",
        remedy: "Make it, or choose another --out")
    }
    if !force, FileSystem.exists(destination) {
      throw BuildError(
        .badInput, "the output folder \(destination) exists",
        remedy: "Choose another --out, or replace it with --force")
    }
    do {
      try FileSystem.makeDirectory(work, mode: isPrivate ? 0o700 : 0o755)
    } catch let error as BuildError {
      throw BuildError(.badInput, error.message, remedy: "Choose an --out whose parent you may write to")
    }
  }

  /// Moves the finished folder into place. What was there before is swapped out in one step, then removed.
  private func commit() throws {
    try FileSystem.synchronise(work)
    if FileSystem.exists(destination) {
      guard force else {
        throw BuildError(.badInput, "the output folder \(destination) appeared while the build was running")
      }
      try FileSystem.exchange(work, destination)
      try FileSystem.remove(work)
    } else {
      try FileSystem.rename(work, to: destination)
    }
    try FileSystem.synchronise(destination.removingLastComponent())
  }
}
