internal import Basics
internal import BuildPlan
internal import Foundation
internal import HostProbe

/// Finds what a VM would be made of on this machine.
struct MachineProbe: Sendable {
  private let choice: MachineChoice
  /// Whether a guest may be started to find something out.
  private let startsGuest: Bool
  private let host = HostProbe()

  init(_ choice: MachineChoice, startsGuest: Bool) {
    self.choice = choice
    self.startsGuest = startsGuest
  }

  /// - Throws: `SpecError` for firmware that the spec names, `Fault` for what this machine lacks.
  func facts(for spec: ResolvedSpec) async throws -> MachineFacts {
    let accelerator = try await host.accelerator(
      wanted: choice.accelerator.kind, startsGuest: startsGuest)
    return MachineFacts(
      firmware: spec.usesEFI ? try await firmware(for: spec) : nil, accelerator: accelerator.kind,
      processors: choice.connection == nil ? ProcessInfo.processInfo.activeProcessorCount : nil)
  }

  /// Files that the spec names are input, others are this machine's.
  private func firmware(for spec: ResolvedSpec) async throws -> FirmwarePair {
    guard let key = spec.firmwareKey else {
      return try await host.firmware(spec.firmware)
    }
    do {
      return try await host.firmware(spec.firmware)
    } catch let fault as Fault {
      throw SpecError(key, fault)
    }
  }

  /// Tells when the plan has fewer processors than the spec.
  static func warnOfMissingProcessors(_ plan: BuildPlan, _ spec: ResolvedSpec, _ recorder: StepRecorder) {
    guard let given = plan.machine?.cpus, given < spec.cpus else { return }
    let have = ProcessInfo.processInfo.activeProcessorCount
    recorder.warn("cpus: \(spec.cpus) are too many for this host's \(have); the VM gets \(given)")
  }
}
