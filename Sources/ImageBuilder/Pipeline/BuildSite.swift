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
