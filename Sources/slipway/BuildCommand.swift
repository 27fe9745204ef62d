internal import ArgumentParser
internal import ImageBuilder

/// `slipway build`
struct BuildCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build a disk image and its EFI variable store.",
    discussion: """
      Writes the image, efi-vars.fd, manifest.json, the folder log and nix-support/hydra-build-products \
      into the output folder. A build that fails leaves nothing there.
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

  @Option(help: ArgumentHelp("Seconds after which a step counts as hung. [600 or more]", valueName: "s"))
  var stepTimeout: Int?

  func run() async throws {
    let request = BuildRequest(
      spec: try specOptions.spec(), out: out, force: force, verify: verify, debugShell: debugShell,
      stepTimeLimit: stepTimeout, machine: machineOptions.choice(), appliance: applianceOptions.choice())
    let builder = ImageBuilder(request, events: progressOptions.handler())
    let manifest = try await cancellingOnSignals { try await builder.build() }
    if progressOptions.progress != .json {
      print(BuildSummary.text(manifest, in: out), terminator: "")
    }
  }
}
