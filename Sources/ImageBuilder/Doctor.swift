internal import Appliance
internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Foundation
internal import HostProbe
internal import SystemPackage

/// What this machine has and lacks.
public struct Doctor: Sendable {
  private let report: DoctorReport

  /// Looks at this machine.
  ///
  /// - Throws: `Fault` of kind `hostNotAble` when it cannot even be looked at.
  public static func examine(_ choice: MachineChoice) async throws -> Doctor {
    let version = try? await choice.hypervisor.version()
    let facts = try await HostProbe().facts(
      workFolder: FileManager.default.currentDirectoryPath, libvirtVersion: version, kernel: kernel())
    return Doctor(report: DoctorReport(facts))
  }

  /// The kernel that a build takes, by the code that takes it.
  private static func kernel() -> Tool {
    do {
      let files = try ApplianceChoice().kernelFiles(with: [])
      return Tool(name: "kernel", path: files.image.string)
    } catch {
      return Tool(name: "kernel", problem: (error as? Fault)?.cause ?? "\(error)")
    }
  }

  /// Whether nothing is missing.
  public var isAble: Bool { report.isAble }

  /// The report for people: a line a check, and a remedy under each that needs one.
  public var text: String { report.text }

  /// The report as JSON.
  public func json() throws -> String { try report.json() }
}
