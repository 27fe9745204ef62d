internal import ArgumentParser
internal import Basics
internal import ImageBuilder
internal import ImageModel

/// The image that is booted, and what boots it.
struct BootedImageOptions: ParsableArguments {
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

  /// - Throws: `Fault`.
  func request(_ guest: GuestOptions, cpus: Int = 2, _ machine: MachineOptions) throws -> BootRequest {
    BootRequest(
      folder: folder, image: image, format: format, efiVariables: efiVars, freshVariables: freshVariables,
      efiFirmware: efiFirmware, efiFirmwareNeedsSMM: efiFirmwareNeedsSMM, bios: bios,
      kernel: try externalKernel(), memory: guest.memSize, cpus: cpus, sectorSize: guest.sectorSize,
      machine: machine.choice())
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

/// What of an image is booted.
struct BootChoiceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Boot this generation.", valueName: "n"))
  var generation: UInt64?

  @Option(help: ArgumentHelp("Profile of --generation.", valueName: "name"))
  var profile = "system"

  @Option(
    help: ArgumentHelp(
      "Boot this specialisation of --generation, or of the generation that starts by itself.",
      valueName: "name"))
  var specialisation: String?

  @Option(help: ArgumentHelp("Boot this entry, by the name that 'slipway inspect' shows.", valueName: "id"))
  var entry: String?

  func validate() throws {
    guard entry == nil || generation == nil && specialisation == nil else {
      throw ValidationError(
        "Give --generation with --specialisation, or --entry: each says what is booted.")
    }
  }

  var choice: BootChoice {
    if let entry { return .entry(entry) }
    guard generation != nil || specialisation != nil else { return .byItself }
    return .generation(generation, profile: profile, specialisation: specialisation)
  }
}

/// What the guest has.
struct GuestOptions: ParsableArguments {
  @Option(help: "Memory, in MiB.")
  var memSize: UInt64 = 1024

  @Option(help: "Bytes in a sector of the disk, 512 or 4096. (default: the build's, or 512)")
  var sectorSize: UInt64?
}
