internal import ArgumentParser
internal import Basics
internal import ImageBuilder
internal import ImageModel

/// `slipway add-generation`
struct AddGenerationCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-generation",
    abstract: "Add a generation to a copy of an image, without installing it anew.",
    discussion: """
      The image does not have to be Slipway's, and is neither trusted nor written to. Store paths that it lacks come from this \
      machine's store, and the system's own program makes its boot entry, as nixos-rebuild boot would on the image's own machine. \
      Without an EFI variable store, the bootloader is installed without one.
      """)

  @Argument(
    help: ArgumentHelp("The image, or the output folder of a build.", valueName: "image"), completion: .file()
  )
  var image: String

  @Option(help: "Format of the image. (default: by its extension; the first of the folder)")
  var format: ImageFormat?

  @Option(
    help: ArgumentHelp("Store path of the NixOS system, or a link to it.", valueName: "path"),
    completion: .directory)
  var system: String

  @Option(
    help: ArgumentHelp(
      "Folder with the closure's registration. (default: this machine's Nix database)", valueName: "dir"),
    completion: .directory)
  var closureInfo: String?

  @Option(
    help: ArgumentHelp(
      "Profile that the generation is of. (default: the build's, or system)", valueName: "name"))
  var profile: String?

  @Option(
    help: ArgumentHelp(
      "EFI variable store that belongs to the image. (default: that of the output folder)", valueName: "file"),
    completion: .file())
  var efiVars: String?

  @Option(
    help: ArgumentHelp(
      "Firmware code of --efi-vars. (default: the build's, or what QEMU's descriptors name)",
      valueName: "file"),
    completion: .file())
  var efiFirmware: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Name of the disk in the system's GRUB configuration; may be given again. (default: the build's, or /dev/vda)",
      valueName: "device"))
  var grubDevice: [String] = []

  @Flag(
    help:
      "Install the bootloader itself anew, as nixos-rebuild does with this flag: for a system with another one."
  )
  var installBootloader = false

  @Option(
    help: ArgumentHelp("Memory of the VM that installs, in MiB. (default: that of a build)", valueName: "mib")
  )
  var memSize: UInt64?

  @Option(
    help: ArgumentHelp("Processors of the VM that installs. (default: those of a build)", valueName: "n"))
  var cpus: Int?

  @Option(
    help: "How the VM that installs comes up: warm restores a saved one, auto does so where there is one.")
  var start: StartChoice = .auto

  @OptionGroup var machineOptions: MachineOptions
  @OptionGroup var applianceOptions: ApplianceOptions
  @OptionGroup var outputOptions: BuildCommand.OutputOptions
  @OptionGroup var progressOptions: ProgressOptions

  func run() async throws {
    let request = AdditionRequest(
      image: image, format: format, system: system, closureInfo: closureInfo, profile: profile,
      efiVariables: efiVars, efiFirmware: efiFirmware, grubDevices: grubDevice,
      installBootLoader: installBootloader, memory: memSize, cpus: cpus,
      out: outputOptions.out, force: outputOptions.force, failureLog: outputOptions.keepLog,
      machine: machineOptions.choice(), start: start, appliance: applianceOptions.choice())
    let progress = progressOptions.renderer()
    let addition = GenerationAddition(request, events: progress.show)
    let result = try await cancellingOnSignals { try await addition.run() }
    try progress.check()
    guard progressOptions.showsSummary else { return }
    try DataOutput.standard.write(lines: summary(result))
  }

  private func summary(_ result: AdditionResult) -> [String] {
    let paths = result.addedPaths == 1 ? "1 store path" : "\(result.addedPaths) store paths"
    return result.files.map { "\(outputOptions.out)/\($0.path)  \(ByteSize(bytes: $0.size))" } + [
      "generation \(result.number) of the profile \(result.profile): \(result.system), with \(paths) that the image lacked"
    ] + (result.hasManifest ? [] : ["no manifest.json: it is not known how the image came to be"])
  }
}
