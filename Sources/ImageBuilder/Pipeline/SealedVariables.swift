internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// The variable store as it is exported, and how it differs from the firmware's template.
struct SealedVariables: Sendable {
  let store: VariableStore
  let changes: [Manifest.VariableChange]

  /// Gives the store that a firmware has worked on the form that is asked for, in its file.
  ///
  /// - Parameters:
  ///   - hasWorked: whether a firmware had worked on the store before this one, which then need not change it.
  ///   - keys: those that it gets.
  /// - Throws: `Fault` when the firmware kept nothing, and when the store is damaged.
  init(
    sealing work: WorkVariables, for outputs: OutputPlan, hasWorked: Bool = false, enrolling keys: SecureBoot?
  )
    throws
  {
    let firmware = work.firmware
    let bytes = try HostFiles.read(work.file)
    let before = try Self.read(work.template, "the template \(firmware.variablesTemplate) is damaged")
    var variables = try Self.read(bytes, "the variable store is damaged after the installation")
    // Firmware that was given a store it does not take boots, and keeps nothing: that must not pass for a store.
    guard hasWorked || bytes != work.template else {
      throw Fault(
        .failed, "the firmware \(firmware.code) wrote nothing into its variable store",
        remedy: "Check that \(firmware.variablesTemplate) belongs to it (slipway doctor)")
    }
    do {
      try variables.checkHeaders(sameAs: before)
      try keys?.enrol(in: &variables)
      if outputs.stripFirmwareVariables == true { variables = variables.withoutFirmwareVariables() }
      if outputs.efiVarsForm != .raw { variables = variables.canonical() }
      if outputs.efiVarsForm != .raw || keys != nil {
        try HostFiles.write(variables.serialized(), to: work.file)
      }
    } catch let fault as EFIFault {
      throw Fault(.failed, "the variable store is damaged after the installation: \(fault)")
    }
    store = variables
    changes = Self.changes(StoreDifference(from: before, to: variables))
  }

  private static func read(_ bytes: [UInt8], _ failure: String) throws -> VariableStore {
    do {
      return try VariableStore(reading: bytes)
    } catch {
      throw Fault(.failed, "\(failure): \(error)")
    }
  }

  private static func changes(_ difference: StoreDifference) -> [Manifest.VariableChange] {
    func change(_ kind: Manifest.VariableChange.Kind, _ variable: Variable, _ value: String)
      -> Manifest.VariableChange
    {
      Manifest.VariableChange(
        kind: kind, variable: printable(variable.key.description), value: value,
        isFirmwareOwned: variable.isRemadeByFirmware)
    }
    return difference.added.map { change(.added, $0, $0.text) }
      + difference.changed.map { change(.changed, $0.new, StoreDifference.text($0)) }
      + difference.removed.map { change(.removed, $0, $0.text) }
  }
}
