internal import ArgumentParser
internal import Basics
internal import BuildPlan
internal import ImageBuilder

/// `slipway build`
struct BuildCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build a disk image and its EFI variable store.",
    discussion: """
      Writes the image, efi-vars.fd, manifest.json, the folder log and nix-support/hydra-build-products \
      into the output folder. A build that fails leaves nothing there, and the log of it beside.
      """)

  @OptionGroup var specOptions: SpecOptions
  @OptionGroup(title: SpecGroup.machine.title) var machineOptions: MachineOptions
  @OptionGroup(title: SpecGroup.machine.title) var applianceOptions: ApplianceOptions
  @OptionGroup(title: SpecGroup.output.title) var outputOptions: OutputOptions
  @OptionGroup(title: SpecGroup.output.title) var progressOptions: ProgressOptions

  @Flag(help: "Boot the result afterwards; a result that does not boot is not kept.")
  var verify = false

  @Flag(help: "Build twice; a result that is not the same bytes both times is not kept.")
  var checkReproducible = false

  @Option(
    help: "How the VM that installs comes up: warm restores a saved one, auto does so where there is one.")
  var start: StartChoice = .auto

  @Flag(help: "When a step fails, open a shell in the guest.")
  var debugShell = false

  @Option(
    help: ArgumentHelp(
      "Seconds after which a step counts as hung. (default: 600, and more for steps that copy much)",
      valueName: "s"))
  var stepTimeout: Int?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Further argument of QEMU for the VM that installs; may be given again.", valueName: "arg"))
  var qemuArg: [String] = []

  /// Where the result goes.
  struct OutputOptions: ParsableArguments {
    @Option(
      name: .shortAndLong, help: ArgumentHelp("Folder to make.", valueName: "dir"), completion: .directory)
    var out = "result"

    @Flag(help: "Replace the output folder if it exists.")
    var force = false

    @Option(
      help: ArgumentHelp("Log of a build that fails. (default: OUT.failed.log)", valueName: "file"),
      completion: .file())
    var keepLog: String?
  }

  func run() async throws {
    let request = BuildRequest(
      spec: try specOptions.spec(), out: outputOptions.out, force: outputOptions.force, verify: verify,
      checkReproducible: checkReproducible, debugShell: debugShell, stepTimeLimit: stepTimeout,
      failureLog: outputOptions.keepLog,
      machine: machineOptions.choice(), start: start, qemuArguments: qemuArg,
      appliance: applianceOptions.choice())
    let start = ContinuousClock.now
    let progress = progressOptions.renderer()
    let builder = ImageBuilder(request, events: progress.show)
    let result = try await cancellingOnSignals { try await builder.build() }
    try progress.check()
    guard progressOptions.showsSummary else { return }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try show(BuildSummary(result: result, folder: outputOptions.out, seconds: seconds).lines)
  }

  /// A reader that has gone by now did not want the summary, and the output is there: only a summary that was to be
  /// kept, and could not be, is a failure.
  private func show(_ summary: [String]) throws {
    do {
      try DataOutput.standard.write(lines: summary)
    } catch  where error.isReaderGone {
      return
    }
  }
}
