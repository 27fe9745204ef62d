internal import ArgumentParser
internal import Basics
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
  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var applianceOptions: ApplianceOptions
  @OptionGroup var progressOptions: ProgressOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Folder to make.", valueName: "dir"))
  var out = "result"

  @Flag(help: "Replace the output folder if it exists.")
  var force = false

  @Flag(help: "Boot the result afterwards; a result that does not boot is not kept.")
  var verify = false

  @Flag(help: "When a step fails, open a shell in the guest.")
  var debugShell = false

  @Option(
    help: ArgumentHelp("File for the log of a build that fails. [OUT.failed.log]", valueName: "file"))
  var keepLog: String?

  @Option(help: ArgumentHelp("Seconds after which a step counts as hung. [600 or more]", valueName: "s"))
  var stepTimeout: Int?

  func run() async throws {
    let request = BuildRequest(
      spec: try specOptions.spec(), out: out, force: force, verify: verify, debugShell: debugShell,
      stepTimeLimit: stepTimeout, failureLog: keepLog, machine: machineOptions.choice(),
      appliance: applianceOptions.choice())
    let start = ContinuousClock.now
    let progress = progressOptions.renderer()
    let builder = ImageBuilder(request, events: progress.show)
    let result = try await cancellingOnSignals { try await builder.build() }
    try progress.check()
    guard progressOptions.showsSummary else { return }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try show(BuildSummary(result: result, folder: out, seconds: seconds).lines)
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
