internal import Basics
internal import BuildPlan
internal import Command
internal import HostProbe
internal import SystemPackage

/// The bytes of a flash image, which may be in qcow2.
///
/// - Throws: `Fault`, `CancellationError`.
func flashBytes(_ path: FilePath) async throws -> [UInt8] {
  try await flashFaultsAsFaults {
    let file = try FlashFile(path.string)
    guard file.isQcow2 else { return try HostFiles.read(path) }
    return try await ScratchFolder.with("flash", mode: 0o700) { scratch in
      let raw = try await file.raw(named: "flash.fd", in: scratch.string, SubprocessRunner())
      return try HostFiles.read(FilePath(raw))
    }
  }
}

extension FirmwarePair {
  /// The pair as a machine takes it: both files raw, those in qcow2 converted into the folder.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func rawFiles(in folder: FilePath) async throws -> FirmwarePair {
    try await flashFaultsAsFaults { try await raw(in: folder.string, SubprocessRunner()) }
  }
}

/// A file that cannot be used was named by somebody, or by a descriptor.
func flashFaultsAsFaults<Result>(_ body: () async throws -> Result) async throws -> Result {
  do {
    return try await body()
  } catch let fault as HostFault {
    throw Fault(.badInput, fault.message, remedy: fault.remedy)
  }
}
