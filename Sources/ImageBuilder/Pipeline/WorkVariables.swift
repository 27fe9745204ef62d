internal import Basics
internal import BuildPlan
internal import Command
internal import HostProbe
internal import SystemPackage

/// The variable store that a machine's firmware works on, beside its template.
struct WorkVariables: Sendable {
  /// The firmware, with both of its files raw.
  let firmware: FirmwarePair
  /// What the store was before the installation.
  let template: [UInt8]
  /// The store.
  let file: FilePath

  /// Makes the store.
  ///
  /// - Parameters:
  ///   - name: its name in the work folder.
  ///   - store: what it begins with; nil for the firmware's template.
  ///   - work: where files in qcow2 are converted, too.
  /// - Throws: `Fault`, `CancellationError`.
  static func make(
    _ name: String, for pair: FirmwarePair, beginningWith store: [UInt8]? = nil, in work: FilePath
  ) async throws -> WorkVariables {
    let firmware = try await pair.raw(in: work.string, SubprocessRunner())
    let template = try HostFiles.read(FilePath(firmware.variablesTemplate))
    // One in qcow2 nobody has looked into until now.
    try pair.checkTemplate(template, kind: .badInput)
    let file = work.appending(name)
    try HostFiles.write(store ?? template, to: file)
    return WorkVariables(firmware: firmware, template: store ?? template, file: file)
  }

  /// Removes what was converted from qcow2: it is no artefact.
  ///
  /// - Throws: `Fault`.
  func removeConverted() throws {
    let work = file.removingLastComponent()
    for name in FirmwarePair.convertedNames { try HostFiles.remove(work.appending(name)) }
  }
}
