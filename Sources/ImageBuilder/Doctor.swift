internal import BuildMachine
internal import Foundation
internal import HostProbe

/// What this machine has and lacks.
public struct Doctor: Sendable {
  private let report: DoctorReport

  /// Looks at this machine.
  ///
  /// - Throws: `BuildError` of kind `hostNotAble` when it cannot even be looked at.
  public static func examine(_ choice: MachineChoice) async throws -> Doctor {
    let version = try? await choice.hypervisor.version()
    let facts = try await hostFaultsAsBuildErrors {
      try await HostProbe().facts(
        workFolder: FileManager.default.currentDirectoryPath, libvirtVersion: version)
    }
    return Doctor(report: DoctorReport(facts))
  }

  /// Whether nothing is missing.
  public var isAble: Bool { report.isAble }

  /// The report for people: a line a check, and a remedy under each that needs one.
  public var text: String { report.text }

  /// The report as JSON.
  public func json() throws -> String { try report.json() }
}
