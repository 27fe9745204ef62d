internal import Basics
internal import BuildPlan
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// A folder with a copy of an image and its EFI variables, which runs continue.
///
/// The copy is a whole one: it does not need the image any more, and a later build in the image's place changes nothing in it.
struct KeptCopy {
  /// The folder, from the root.
  let folder: FilePath
  private let record: Record

  private static let recordName = "run.json"
  private static let diskName = "disk.qcow2"
  private static let variablesName = "efi-vars.fd"
  /// Far more than any record has.
  private static let recordLimit = 1 << 20

  private struct Record: Codable {
    var version = Self.current
    /// What was copied: an image or an output folder, from the root.
    var image: String
    /// The firmware; nil for a BIOS.
    var firmware: FirmwarePair?
    /// Bytes in a sector of the disk.
    var sectorSize: UInt64

    static let current = 1
  }

  private var variables: FilePath { folder.appending(Self.variablesName) }

  /// The copy, as boots of a setup use it.
  func copy(of setup: BootSetup) -> ImageCopy {
    ImageCopy(
      disk: folder.appending(Self.diskName), variables: setup.artefacts.efi == nil ? nil : variables)
  }

  /// Finds one that is there.
  ///
  /// - Returns: nil where nothing is there.
  /// - Throws: `Fault` for a folder that is something else.
  static func find(_ path: String) throws -> KeptCopy? {
    let folder = FilePath(path).absolute
    guard HostFiles.exists(folder) else { return nil }
    do {
      let bytes = try WholeFile.read(folder.appending(recordName), limit: recordLimit)
      let record = try JSONDecoder().decode(Record.self, from: Data(bytes))
      guard record.version == Record.current else {
        throw Fault(
          .badInput, "the copy in \(path) is of another version of slipway",
          remedy: "Use the slipway that made it, or run its \(diskName) by --image and --efi-vars")
      }
      return KeptCopy(folder: folder, record: record)
    } catch is PathFailure {
      throw Fault(
        .badInput, "\(path) is there, and has no copy of a run in it",
        remedy: "Name a folder that is not there yet"
      )
    } catch is DecodingError {
      throw Fault(
        .badInput, "\(path)/\(recordName) is damaged",
        remedy: "Run the copy beside it by --image and --efi-vars, or name a new folder")
    }
  }

  /// The request with the copy in the place of the image.
  ///
  /// - Throws: `Fault` when the request names another image.
  func continued(_ request: BootRequest) throws -> BootRequest {
    if let named = Self.source(of: request), named != record.image {
      throw Fault(
        .badInput, "\(folder) has a copy of \(record.image), and not of \(named)",
        remedy: "Leave the image out to go on with that copy, or name another folder with --keep")
    }
    guard request.format == nil || request.format == .qcow2 else {
      throw Fault(
        .badInput, "a kept copy is qcow2", remedy: "Leave out --format, or name another folder with --keep")
    }
    var request = request
    (request.folder, request.image, request.format) = (nil, folder.appending(Self.diskName).string, .qcow2)
    request.sectorSize = request.sectorSize ?? record.sectorSize
    if request.efiFirmware == nil {
      request.firmware = record.firmware
      request.bios = request.bios || record.firmware == nil
    }
    let hasOwn = !request.bios && !request.freshVariables && HostFiles.exists(variables)
    if hasOwn { request.efiVariables = request.efiVariables ?? variables.string }
    return request
  }

  /// Runs `body` while no other process uses the copy.
  ///
  /// - Throws: `Fault` where one does; what `body` throws.
  func alone<Result>(_ body: () async throws -> Result) async throws -> Result {
    let claim: ClaimedFolder?
    do {
      claim = try ClaimedFolder.claim(folder)
    } catch {
      throw Fault(error)
    }
    guard let claim else {
      throw Fault(
        .badInput, "another machine uses the copy in \(folder)",
        remedy: "End it, or name another folder with --keep")
    }
    defer { claim.release() }
    return try await body()
  }

  /// Gives the copy variables that are not the ones it has.
  ///
  /// - Throws: `Fault`.
  func replaceVariables(by bytes: [UInt8]) throws {
    guard (try? WholeFile.read(variables)) != bytes else { return }
    try HostFiles.write(bytes, to: variables, mode: 0o600)
  }

  /// Makes one, from a setup's image and variables.
  ///
  /// - Throws: `Fault`, `CancellationError`; nothing is left then.
  static func make(_ path: String, of request: BootRequest, _ setup: BootSetup) async throws -> KeptCopy {
    let artefacts = setup.artefacts
    let record = Record(
      image: source(of: request) ?? "", firmware: artefacts.efi?.firmware, sectorSize: artefacts.sectorSize)
    try await OutputFolder.with(path, option: "--keep", force: false, isPrivate: setup.isPrivate) { output in
      try await setup.makeWholeCopy(at: output.work.appending(diskName))
      if let efi = artefacts.efi {
        try HostFiles.write(efi.variables, to: output.work.appending(variablesName), mode: 0o600)
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try HostFiles.write(try encoder.encode(record), to: output.work.appending(recordName))
      for name in [diskName, recordName] { try HostFiles.synchronise(output.work.appending(name)) }
    }
    return KeptCopy(folder: FilePath(path).absolute, record: record)
  }

  private static func source(of request: BootRequest) -> String? {
    (request.image ?? request.folder).map { FilePath($0).absolute.string }
  }
}
