internal import Basics
internal import BuildMachine
internal import Command
internal import Foundation
internal import HostProbe

/// How the machine that installs comes up: restored where there is a saved machine of the same start, else booted, and
/// saved for the next build.
enum GuestStart: Sendable {
  case warm(SavedMachine)
  /// - Parameters:
  ///   - because: why nothing is restored.
  ///   - saving: the key to save it by; nil where it is not to be saved.
  case cold(because: String, saving: StartKey?)

  /// - Parameter machines: nil where nothing can be kept.
  /// - Throws: `Fault` when a saved machine is asked for and there is none, `CancellationError`.
  static func make(
    for machine: InstallerMachine, in machines: SavedMachines? = .ofUser()
  ) async throws -> GuestStart {
    let start = try await find(for: machine, in: machines)
    if machine.installer.start == .warm, case .cold(let reason, _) = start { throw noSavedMachine(reason) }
    return start
  }

  private static func find(
    for machine: InstallerMachine, in machines: SavedMachines?
  ) async throws -> GuestStart {
    if machine.installer.start == .cold { return .cold(because: "it was asked for", saving: nil) }
    if let obstacle = machine.obstacle { return .cold(because: obstacle, saving: nil) }
    guard let machines else { return .cold(because: "there is no folder for saved machines", saving: nil) }
    let finder = ToolFinder(
      runner: SubprocessRunner(), path: ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
    guard await finder.find(.zstd).path != nil else {
      return .cold(because: "zstd is missing, which unpacks saved machines", saving: nil)
    }
    let key = try await machine.key()
    return switch machines.find(key) {
    case .found(let saved): .warm(saved)
    case .none: .cold(because: "no machine of this start was saved", saving: key)
    case .damaged(let reason): .cold(because: "the saved machine was not whole: \(reason)", saving: key)
    }
  }

  static func noSavedMachine(_ reason: String) -> Fault {
    Fault(
      .hostNotAble, "could not restore a machine", cause: reason,
      remedy: "Save one with a build, or leave --start warm out")
  }

  /// For the report.
  var report: BuildReport.Start {
    switch self {
    case .warm: BuildReport.Start(kind: .warm)
    case .cold(let reason, _): BuildReport.Start(kind: .cold, reason: reason)
    }
  }
}
