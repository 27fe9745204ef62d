internal import Basics
internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// A private folder in the system's place for temporary files.
enum ScratchFolder {
  private static let prefix = "slipway-"

  /// Runs `body` with a fresh folder, removed on every way out, also when this process is killed. One that a killed
  /// machine left there is removed first.
  static func with<Result>(
    _ purpose: String, mode: mode_t = 0o700, _ body: (FilePath) async throws -> Result
  ) async throws -> Result {
    let base = FilePath(URL(fileURLWithPath: NSTemporaryDirectory()).path)
    ClaimedFolder.removeAbandoned(in: base, where: isOurs)
    let path = base.appending(ClaimedFolder.uniqueName("\(prefix)\(purpose)-"))
    let leftover = try await ProcessFolder.removeAtExit(path)
    let folder = try made(path, mode)
    do {
      let result = try await body(path)
      try HostFiles.remove(path)
      folder.release()
      leftover.dismiss()
      return result
    } catch {
      // What this cannot remove yet, because something still writes to it, the watchdog can.
      try? HostFiles.remove(path)
      folder.release()
      throw error
    }
  }

  /// Whether a name is one of this version's scratch folders.
  static func isOurs(_ name: String) -> Bool {
    guard name.hasPrefix(prefix), let dash = name.lastIndex(of: "-") else { return false }
    return ClaimedFolder.isUniqueName(name, prefix: String(name[...dash]))
  }

  private static func made(_ path: FilePath, _ mode: mode_t) throws -> ClaimedFolder {
    do {
      return try ClaimedFolder.make(at: path, mode: mode)
    } catch {
      throw Fault(error)
    }
  }
}
