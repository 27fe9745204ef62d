internal import AgentProtocol
internal import BuildPlan
internal import EFIVariables
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// The variable store between the installation and its export: compared with the template and with the disk, and
/// written in the form that is asked for.
struct VariableExport: Sendable {
  let plan: BuildPlan
  let firmware: FirmwarePair
  /// What the store was before the installation.
  let template: [UInt8]
  /// The store, as the firmware left it.
  let store: FilePath
  /// The finished disk, raw.
  let disk: FilePath
  /// The keys that it gets.
  let secureBoot: SecureBoot?

  /// - Returns: how the exported store differs from its template.
  /// - Throws: `BuildError` when the firmware kept nothing, when the store is damaged, when an entry does not fit the
  ///   disk, and when nothing would start from it.
  func run() async throws -> [Manifest.VariableChange] {
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
    try await check(variables)
    return Self.changes(StoreDifference(from: before, to: variables))
  }

  private func read(_ bytes: [UInt8], _ failure: String) throws -> VariableStore {
    do {
      return try VariableStore(reading: bytes)
    } catch {
      throw BuildError(.failed, "\(failure): \(error)")
    }
  }

  private func check(_ variables: VariableStore) async throws {
    let disk = try await BootDiskReader().read(raw: disk, layout: plan.disk)
    let check = DiskCheck(of: variables, on: disk)
    guard check.problems.isEmpty else {
      throw BuildError(
        .failed, "the system's bootloader left EFI variables that do not fit the disk: \(check.problems[0])",
        remedy: "Nothing would start such an entry; see what installs the system's bootloader",
        details: Array(check.problems.dropFirst()))
    }
    guard installsBootLoader, plan.disk.partitions.contains(where: { $0.type == .efiSystem }) else { return }
    guard check.started.isEmpty, !disk.hasFallbackLoader, try !isStartedByBIOS() else { return }
    throw BuildError(
      .failed,
      "the bootloader's installation ended well, and nothing would boot: the EFI system partition has no "
        + "\(BootDisk.fallbackLoader), and no boot entry starts another file",
      remedy: "Let it write an entry (touchEFIVars), or have the system install a loader that needs none "
        + "(boot.loader.grub.efiInstallAsRemovable)")
  }

  private var installsBootLoader: Bool {
    plan.steps.contains { planned in
      if case .installBootLoader = planned.step { true } else { false }
    }
  }

  /// Whether a BIOS finds a loader: a disk with room for one has code in its first sector.
  private func isStartedByBIOS() throws -> Bool {
    guard plan.disk.partitions.contains(where: { $0.type == .biosBoot }) else { return false }
    let file = try FileDescriptor.open(disk, .readOnly)
    return try file.closeAfter {
      // What precedes the disk's signature (UEFI 2.10, table 5.1).
      var code = [UInt8](repeating: 0, count: 440)
      let count = try code.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
      return code.prefix(count).contains { $0 != 0 }
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
