internal import ArgumentParser
internal import Basics
internal import ImageBuilder
internal import ImageModel

/// `slipway verify`
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Boot copies of an image and its EFI variables, and wait for a sign that the system is up.",
    discussion: """
      Boots through the firmware; only an image without a bootloader is given a kernel. The artefacts themselves are \
      not written to: each boot has a copy of its own. A boot that is chosen with --generation, --specialisation, \
      --entry or --all has to be the one that the system itself names: it is asked over the serial console.
      """)

  @Argument(help: ArgumentHelp("Output folder of a build.", valueName: "dir"))
  var folder: String?

  @Option(help: ArgumentHelp("Image to boot, without an output folder.", valueName: "file"))
  var image: String?

  @Option(
    help:
      "Format of --image, or of the folder's image to boot. (default: by its extension; the first of the folder)"
  )
  var format: ImageFormat?

  @Option(
    help: ArgumentHelp(
      "EFI variables to boot with. (default: the build's, or the firmware's template)", valueName: "file"))
  var efiVars: String?

  @Flag(help: "Boot with the firmware's template of EFI variables, as on another machine.")
  var freshVariables = false

  @Option(help: "Firmware code. (default: the build's, or what QEMU's descriptors name)")
  var efiFirmware: String?

  @Flag(
    name: .customLong("efi-firmware-needs-smm"), inversion: .prefixedNo,
    help: "--efi-firmware hangs without system management mode. (default: by its descriptor or name)")
  var efiFirmwareNeedsSMM: Bool?

  @Flag(help: "Boot by BIOS, though the image may boot by EFI as well.")
  var bios = false

  @Option(help: ArgumentHelp("Kernel for an image without a bootloader.", valueName: "file"))
  var kernel: String?

  @Option(help: ArgumentHelp("Initial ramdisk of --kernel.", valueName: "file"))
  var initrd: String?

  @Option(help: ArgumentHelp("Command line of --kernel.", valueName: "words"))
  var append: String?

  @OptionGroup var choice: BootChoiceOptions
  @OptionGroup var trial: BootTrialOptions
  @OptionGroup var report: BootReportOptions

  @Option(help: ArgumentHelp("What the serial console must show.", valueName: "regex"))
  var expect = VerifyRequest.loginPrompt

  @Option(help: ArgumentHelp("Give up after this many seconds; with --all, of each boot.", valueName: "s"))
  var timeout = 300

  @Option(
    help: ArgumentHelp("Keep a picture of the screen; with --all, of each boot one.", valueName: "file.png"))
  var screenshot: String?

  @Option(help: "Memory, in MiB.")
  var memSize: UInt64 = 1024

  @Option(help: "Bytes in a sector of the disk, 512 or 4096. (default: the build's, or 512)")
  var sectorSize: UInt64?

  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var progressOptions: ProgressOptions

  func run() async throws {
    let request = VerifyRequest(
      folder: folder, image: image, format: format, efiVariables: efiVars, freshVariables: freshVariables,
      efiFirmware: efiFirmware, efiFirmwareNeedsSMM: efiFirmwareNeedsSMM, bios: bios,
      kernel: try externalKernel(), choices: choice.choices(), trial: trial.trial(), login: try choice.user(),
      expect: expect, timeLimit: timeout, screenshot: screenshot, memory: memSize, sectorSize: sectorSize,
      machine: machineOptions.choice())
    let progress = progressOptions.renderer()
    let verification = Verification(request, events: progress.show)
    let result = try await cancellingOnSignals { try await verification.run() }
    try progress.check()
    try report.show(
      result, of: folder ?? image ?? "", asTable: choice.all, summary: progressOptions.showsSummary)
    if progressOptions.showsSummary, !report.json, !choice.all {
      try DataOutput.standard.write(lines: screenshot.map { ["screen: \($0)"] } ?? [])
    }
    guard result.isPassed else { throw ExitCode.failure }
  }

  private func externalKernel() throws -> ExternalKernel? {
    guard let kernel, let initrd, let append else {
      guard kernel == nil, initrd == nil, append == nil else {
        throw Fault(
          .badInput, "a kernel, its initrd and its command line belong together, and one of them is missing",
          remedy: "Give all of --kernel, --initrd and --append, or none")
      }
      return nil
    }
    return ExternalKernel(kernel: kernel, initrd: initrd, commandLine: append)
  }
}
