internal import AgentProtocol
internal import Appliance
internal import Basics
internal import BuildMachine
public import BuildPlan
internal import Foundation
internal import ImageModel
internal import SystemPackage

extension ApplianceChoice {
  /// Boots a machine, and saves it for builds to start from, unless there is one.
  ///
  /// - Parameter spec: what the machine would be for; it needs no system.
  /// - Throws: `SpecError`, `Fault` when it cannot be saved, `CancellationError`.
  public func saveMachine(
    for spec: ImageSpec, on choice: MachineChoice, events: @escaping BuildEventHandler
  ) async throws {
    let recorder = StepRecorder(events)
    var spec = spec
    // What is installed is no part of the machine.
    spec.system = "/nix/store"
    let resolved = try ResolvedSpec(spec)
    let facts = try await MachineProbe(choice, startsGuest: true).facts(for: resolved)
    let plan = MachinePlan(for: resolved, on: facts)
    let appliance = try await recorder.step(.appliance) {
      try await make(for: resolved.guestFilesystems.map(\.kind), in: try Self.userCache())
    }
    try await ScratchFolder.with("warm") { work in
      var variables: WorkVariables?
      if let firmware = plan.firmware {
        variables = try await WorkVariables.make("efi-vars.fd", for: firmware, in: work)
      }
      let installer = Installer(
        machine: choice, template: try choice.domainTemplate(or: DomainTemplate.installer), qemuArguments: [],
        appliance: self, start: .auto, debugShell: false)
      let machine = InstallerMachine(
        plan: plan, appliance: appliance, installer: installer, variables: variables, disks: [:])
      switch try await GuestStart.make(for: machine) {
      case .warm: return
      case .cold(let reason, nil):
        throw Fault(.hostNotAble, "could not save a machine", cause: reason)
      case .cold(_, let key?):
        try await recorder.step(.save) { try await machine.bootAndSave(as: key) }
      }
    }
  }
}

extension InstallerMachine {
  /// Boots, saves, and powers off.
  fileprivate func bootAndSave(as key: StartKey) async throws {
    guard let machines = SavedMachines.ofUser() else {
      throw Fault(.hostNotAble, "could not save a machine", cause: "there is no folder for it")
    }
    try await withMachine(configuration(consoleLog: nil, isShared: true)) { machine in
      let agent = try await machine.connectAgent(build: SlipwayVersion.named, within: GuestSession.bootLimit)
      let draft = try await machines.draft(key, of: plan)
      do {
        try await machine.save(into: draft)
        try await draft.publish()
      } catch {
        draft.abandon()
        try Task.checkCancellation()
        throw Fault(.failed, "could not save a machine", cause: RestoreFailure(error).reason)
      }
      try await machine.powerOff(agent)
    }
  }
}

extension SavedMachines {
  /// A place for a machine of a plan: its state takes as much as its memory at most, before it is packed.
  func draft(_ key: StartKey, of plan: MachinePlan) async throws -> SavedMachineDraft {
    try await draft(key, room: plan.memory << 20)
  }
}
