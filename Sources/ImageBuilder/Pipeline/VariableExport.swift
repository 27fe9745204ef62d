internal import BuildPlan
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// The variable store between the installation and its export: compared with the template, and written in the form that is
/// asked for.
struct VariableExport: Sendable {
  let plan: BuildPlan
  let firmware: FirmwarePair
  /// What the store was before the installation.
  let template: [UInt8]
  /// The store, as the firmware left it.
  let store: FilePath
  /// The keys that it gets.
  let secureBoot: SecureBoot?

  /// - Returns: the exported store, and how it differs from its template.
  /// - Throws: `BuildError` when the firmware kept nothing, and when the store is damaged.
  func run() throws -> (store: VariableStore, changes: [Manifest.VariableChange]) {
    let bytes = try FileSystem.read(store)
    let before = try read(template, "the template \(firmware.variablesTemplate) is damaged")
    var variables = try read(bytes, "the variable store is damaged after the installation")
    // Firmware that was given a store it does not take boots, and keeps nothing: that must not pass for a store.
    guard bytes != template else {
      throw BuildError(
        .failed, "the firmware \(firmware.code) wrote nothing into its variable store",
        remedy: "Check that \(firmware.variablesTemplate) belongs to it (slipway doctor)")
    }
    do {
      try variables.checkHeaders(sameAs: before)
      try secureBoot?.enrol(in: &variables)
      if plan.outputs.stripFirmwareVariables == true { variables = variables.withoutFirmwareVariables() }
      if plan.outputs.efiVarsForm != .raw { variables = variables.canonical() }
      if plan.outputs.efiVarsForm != .raw || secureBoot != nil {
        try FileSystem.write(variables.serialized(), to: store)
      }
    } catch let fault as EFIFault {
      throw BuildError(.failed, "the variable store is damaged after the installation: \(fault)")
    }
    return (variables, Self.changes(StoreDifference(from: before, to: variables)))
  }

  private func read(_ bytes: [UInt8], _ failure: String) throws -> VariableStore {
    do {
      return try VariableStore(reading: bytes)
    } catch {
      throw BuildError(.failed, "\(failure): \(error)")
    }
  }

  private static func changes(_ difference: StoreDifference) -> [Manifest.VariableChange] {
    func change(_ kind: Manifest.VariableChange.Kind, _ variable: Variable, _ value: String)
      -> Manifest.VariableChange
    {
      Manifest.VariableChange(
        kind: kind, variable: printable(variable.key.description), value: value,
        isFirmwares: variable.isRemadeByFirmware)
    }
    return difference.added.map { change(.added, $0, $0.text) }
      + difference.changed.map { change(.changed, $0.new, StoreDifference.text($0)) }
      + difference.removed.map { change(.removed, $0, $0.text) }
  }
}
