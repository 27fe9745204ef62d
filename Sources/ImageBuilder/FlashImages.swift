internal import Basics
internal import Command
internal import HostProbe
internal import SystemPackage

/// The bytes of a flash image, which may be in qcow2.
///
/// - Throws: `Fault`, `CancellationError`.
func flashBytes(_ path: FilePath) async throws -> [UInt8] {
  let file = try FlashFile(path.string)
  guard file.isQcow2 else { return try HostFiles.read(path) }
  return try await ScratchFolder.with("flash", mode: 0o700) { scratch in
    let raw = try await file.raw(named: "flash.fd", in: scratch.string, SubprocessRunner())
    return try HostFiles.read(FilePath(raw))
  }
}

/// The bytes of a file with another flash image of the same size in it, in the file's own format.
///
/// - Throws: `Fault`, `CancellationError`.
func flashFile(_ path: FilePath, with image: [UInt8]) async throws -> [UInt8] {
  let file = try FlashFile(path.string)
  guard file.isQcow2 else { return image }
  return try await ScratchFolder.with("flash", mode: 0o700) { scratch in
    do {
      return try await file.replacing(with: image, in: scratch.string, SubprocessRunner())
    } catch let failure as PathFailure {
      throw Fault(failure)
    }
  }
}
