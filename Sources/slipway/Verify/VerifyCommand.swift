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

  @OptionGroup var booted: BootedImageOptions
  @OptionGroup var choice: BootChoiceOptions
  @OptionGroup var proof: BootProofOptions
  @OptionGroup var trial: BootTrialOptions
  @OptionGroup var report: BootReportOptions

  @Option(help: ArgumentHelp("What the serial console must show.", valueName: "regex"))
  var expect = VerifyRequest.loginPrompt

  @Option(help: ArgumentHelp("Give up after this many seconds; with --all, of each boot.", valueName: "s"))
  var timeout = 300

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "With --all, boot so many at once. (default: as many as there are processors, and memory for)",
      valueName: "n"))
  var jobs: Int?

  @Option(
    help: ArgumentHelp("Keep a picture of the screen; with --all, of each boot one.", valueName: "file.png"))
  var screenshot: String?

  @OptionGroup var guest: GuestOptions
  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var progressOptions: ProgressOptions

  func validate() throws {
    guard !proof.all || choice.choice == .byItself else {
      throw ValidationError("Give --all, or what is booted of the image, not both.")
    }
  }

  func run() async throws {
    let request = VerifyRequest(
      try booted.request(guest, machineOptions), choices: proof.all ? .all : .one(choice.choice),
      trial: trial.trial(), login: try proof.user(), expect: expect, timeLimit: timeout,
      screenshot: screenshot, jobs: jobs)
    let progress = progressOptions.renderer()
    let verification = Verification(request, events: progress.show)
    let result = try await cancellingOnSignals { try await verification.run() }
    try progress.check()
    try report.show(
      result, of: booted.folder ?? booted.image ?? "", asTable: proof.all,
      summary: progressOptions.showsSummary)
    if progressOptions.showsSummary, !report.json, !proof.all {
      try DataOutput.standard.write(lines: screenshot.map { ["screen: \($0)"] } ?? [])
    }
    guard result.isPassed else { throw ExitCode.failure }
  }
}
