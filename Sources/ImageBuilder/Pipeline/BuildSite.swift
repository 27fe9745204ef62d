internal import Basics
internal import BuildPlan
internal import Command
internal import SystemPackage

/// Where a build is made, and who is told of it: what every stage has beside the value of the stage before.
struct BuildSite: Sendable {
  /// The output folder.
  let folder: OutputFolder
  let recorder: StepRecorder
  /// Notes what is sealed, where it is compared with another build.
  var trees: TreeRecord?
  let runner: any CommandRunner = SubprocessRunner()

  /// The folder that everything is made in.
  var work: FilePath { folder.work }
  /// What the guest says.
  var consoleLog: FilePath { work.appending(BuildReport.folderName).appending("console.log") }

  /// Runs a script of the spec in the folder, if there is one.
  ///
  /// - Throws: `Fault` with the last lines of its output.
  func hook(_ name: String, _ script: String?, environment: [String: String] = [:]) async throws {
    guard let script else { return }
    try await HostHook(name: name, script: script, runner: runner, recorder: recorder)
      .run(in: work, environment: environment)
  }
}

extension BuildSite {
  /// Runs `body` at a fresh output folder, which comes to its place when `body` returns.
  ///
  /// - Parameters:
  ///   - out: the folder to make.
  ///   - log: gets what is said meanwhile.
  ///   - failureLog: where that is kept when `body` fails; nil for beside the folder.
  /// - Throws: what `OutputFolder` and `body` throw. Nothing is left then, but for the log (`Fault.log`).
  static func with<Result>(
    _ out: String, force: Bool, isPrivate: Bool, log: BuildLog, at failureLog: String?,
    trees: TreeRecord? = nil, _ recorder: StepRecorder, _ body: (BuildSite) async throws -> Result
  ) async throws -> Result {
    try await OutputFolder.with(out, force: force, isPrivate: isPrivate) { folder in
      let site = BuildSite(folder: folder, recorder: recorder, trees: trees)
      let kept = FailureLog(for: folder.destination, at: failureLog, isPrivate: isPrivate)
      try log.open(in: site.work)
      do {
        let result = try await body(site)
        kept.removeEarlier()
        return result
      } catch {
        guard let error = buildError(error).map({ HostSpace.explained($0, in: site.work) }) else {
          throw error
        }
        // A request that is refused has no output to look into.
        guard error.kind == .failed, !Task.isCancelled else { throw error }
        throw await kept.keep(error, log, console: site.consoleLog)
      }
    }
  }

  /// A failure in the words of a build; nil for what is said as it is.
  private static func buildError(_ error: any Error) -> Fault? {
    switch error {
    case let error as Fault: error
    case let error as PathFailure: Fault(error)
    case let error as Errno: Fault(.failed, "a system call failed: \(error)")
    default: nil
    }
  }
}

/// What installs, as somebody asked for it.
struct Installer: Sendable {
  let machine: MachineChoice
  let template: DomainTemplate
  /// Words that come to QEMU's command line.
  let qemuArguments: [String]
  let appliance: ApplianceChoice
  let start: StartChoice
  /// Whether a failed step opens a shell in the guest.
  let debugShell: Bool
}
