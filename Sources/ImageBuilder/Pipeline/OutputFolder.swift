internal import Basics
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
  /// The flag that names it.
  private let option: String

  private static let prefix = ".slipway-"

  /// Runs `body` with a fresh work folder, and moves that to `out` when `body` returns. When it throws, nothing
  /// is left of it. Work folders that a killed machine left beside it are removed first.
  ///
  /// - Parameters:
  ///   - option: the flag that names it, for messages.
  ///   - isPrivate: whether nobody but its owner and root may look into it, now and later.
  /// - Throws: `Fault` when `out` exists and `force` is off, when it is nothing that a build made, or when its
  ///   parent cannot be written.
  static func with<Result>(
    _ out: String, option: String = "--out", force: Bool, isPrivate: Bool = false,
    _ body: (OutputFolder) async throws -> Result
  ) async throws -> Result {
    let folder = try OutputFolder(out, option: option, force: force)
    ClaimedFolder.removeAbandoned(in: folder.work.removingLastComponent()) {
      ClaimedFolder.isUniqueName($0, prefix: prefix)
    }
    // Before it is made: this process may be killed at any moment.
    let leftover = try await ProcessFolder.removeAtExit(folder.work)
    let claim = try folder.make(isPrivate: isPrivate)
    defer { claim.release() }
    do {
      let result = try await body(folder)
      try Task.checkCancellation()
      try folder.commit()
      leftover.dismiss()
      return result
    } catch {
      // What this cannot remove yet, because something still writes to it, the watchdog can.
      try? HostFiles.remove(folder.work)
      throw error
    }
  }

  private init(_ out: String, option: String, force: Bool) throws {
    destination = FilePath(URL(fileURLWithPath: out).standardizedFileURL.path)
    self.force = force
    self.option = option
    guard let name = destination.lastComponent?.string else {
      throw Fault(
        .badInput, "\(option) \(out) is not a folder that can be made", remedy: "Name a new folder")
    }
    let parent = destination.removingLastComponent()
    work = parent.appending(ClaimedFolder.uniqueName(Self.prefix))
    guard HostFiles.exists(parent) else {
      throw Fault(
        .badInput, "the folder \(parent), in which \(name) would be made, does not exist",
        remedy: "Make it, or choose another \(option)")
    }
    guard HostFiles.exists(destination) else { return }
    guard force else {
      throw Fault(
        .badInput, "the output folder \(destination) exists",
        remedy: "Choose another --out, or replace it with --force")
    }
    try ReplaceableFolder(destination).check()
  }

  private func make(isPrivate: Bool) throws -> ClaimedFolder {
    do {
      return try ClaimedFolder.make(at: work, mode: isPrivate ? 0o700 : 0o755)
    } catch  where error.reason.isLackOfSpace {
      throw Fault(error)
    } catch {
      throw Fault(.badInput, "\(error)", remedy: "Choose a place for \(option) whose parent you may write to")
    }
  }

  /// Moves the finished folder into place. What was there before is swapped out in one step, then removed.
  private func commit() throws {
    try HostFiles.synchronise(work)
    if HostFiles.exists(destination) {
      guard force else {
        throw Fault(.badInput, "the output folder \(destination) appeared meanwhile")
      }
      try ReplaceableFolder(destination).check()
      try HostFiles.exchange(work, destination)
      try HostFiles.remove(work)
    } else {
      try HostFiles.rename(work, to: destination)
    }
    try HostFiles.synchronise(destination.removingLastComponent())
  }
}
