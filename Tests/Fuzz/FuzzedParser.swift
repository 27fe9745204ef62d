/// What reads bytes of outside. Whatever the bytes are, they are refused, or read as something that keeps the rules
/// of its kind. A broken rule traps, which is what libFuzzer notices.
package enum FuzzedParser: String, CaseIterable, Sendable {
  // A user's, or Nix's.
  case spec, scenario, manifest, closureInfo, derivation, writeAheadLog
  // The host's.
  case firmwareDescriptor, variableStore, variablesJSON, awsVariables, qemuVariables
  case certificate, devicePath, executable, modules, sfdisk
  // A guest's.
  case agentFrames, console, handover
  // Anybody's disks.
  case ext4, fat, disk, nixDatabase
  case imageReport, loaderEntry, grubMenu, efiSections, bootSpecification, filesystemTable
  // A host's, in the guest.
  case hostFrames

  /// Gives the parser one input.
  package func feed(_ bytes: [UInt8]) {
    switch self {
    case .spec: Inputs.spec(bytes)
    case .scenario: Inputs.scenario(bytes)
    case .manifest: Inputs.manifest(bytes)
    case .closureInfo: Inputs.closureInfo(bytes)
    case .derivation: Inputs.derivation(bytes)
    case .writeAheadLog: Inputs.writeAheadLog(bytes)
    case .firmwareDescriptor: Inputs.firmwareDescriptor(bytes)
    case .variableStore: Inputs.variableStore(bytes)
    case .variablesJSON: Inputs.variablesJSON(bytes)
    case .awsVariables: Inputs.awsVariables(bytes)
    case .qemuVariables: Inputs.qemuVariables(bytes)
    case .certificate: Inputs.certificate(bytes)
    case .devicePath: Inputs.devicePath(bytes)
    case .executable: Inputs.executable(bytes)
    case .modules: Inputs.modules(bytes)
    case .sfdisk: Inputs.sfdisk(bytes)
    case .agentFrames: Inputs.agentFrames(bytes)
    case .console: Inputs.console(bytes)
    case .handover: Inputs.handover(bytes)
    case .ext4: Inputs.ext4(bytes)
    case .fat: Inputs.fat(bytes)
    case .disk: Inputs.disk(bytes)
    case .nixDatabase: Inputs.nixDatabase(bytes)
    case .imageReport: Inputs.imageReport(bytes)
    case .loaderEntry: Inputs.loaderEntry(bytes)
    case .grubMenu: Inputs.grubMenu(bytes)
    case .efiSections: Inputs.efiSections(bytes)
    case .bootSpecification: Inputs.bootSpecification(bytes)
    case .filesystemTable: Inputs.filesystemTable(bytes)
    case .hostFrames: Inputs.hostFrames(bytes)
    }
  }
}

/// One function a parser.
enum Inputs {
  static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
