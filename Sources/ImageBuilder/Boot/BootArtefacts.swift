internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// The files of one image that is to boot, found and checked.
struct BootArtefacts: Sendable {
  let image: FilePath
  let format: ImageFormat
  /// Bytes in a sector of the disk.
  let sectorSize: UInt64
  /// EFI firmware and the variables to boot with; nil for a BIOS.
  let efi: EFI?

  /// A firmware, and a store that belongs to it.
  struct EFI: Sendable {
    let firmware: FirmwarePair
    /// The raw store.
    let variables: [UInt8]
    /// Whether this firmware with that store starts nothing but what is signed.
    let enforcesSecureBoot: Bool
  }

  /// Finds what to boot: in an output folder by its manifest, or by the paths of the request, which go first.
  ///
  /// - Throws: `Fault`.
  static func resolve(_ request: BootRequest) async throws -> BootArtefacts {
    guard (request.folder == nil) != (request.image == nil) else {
      throw Fault(
        .badInput, "nothing to boot, or too much", remedy: "Give either an output folder or --image")
    }
    let manifest = try request.folder.map(Manifest.read)
    let folder = request.folder.map { FilePath($0).absolute }
    if let manifest, manifest.spec.onlyNixStore == true {
      throw Fault(
        .badInput, "\(request.folder ?? "") has a Nix store only, which cannot be booted",
        remedy: "Give the output folder of a whole system")
    }
    if let manifest, manifest.spec.store == .host {
      throw Fault(
        .badInput, "\(request.folder ?? "") has the boot partitions alone, and no root that could be booted",
        remedy: "Give the output folder of a whole system")
    }
    let (named, format) = try image(of: request, manifest, folder)
    let image = try RegularFile.check(named)
    try SelfContainedImage.check(image, format)
    for file in [request.kernel?.kernel, request.kernel?.initrd].compactMap(\.self) {
      _ = try RegularFile.check(FilePath(file))
    }
    let sectorSize = request.sectorSize ?? manifest?.disk.sectorSize ?? 512
    guard sectorSize == 512 || sectorSize == 4096 else {
      throw Fault(
        .badInput, "there are no disks with sectors of \(sectorSize) bytes", remedy: "Use 512 or 4096")
    }
    let isBIOS = request.bios || (manifest != nil && manifest?.firmware == nil && request.efiFirmware == nil)
    guard !isBIOS else {
      guard request.efiVariables == nil, request.efiFirmware == nil, !request.freshVariables else {
        throw Fault(
          .badInput, "a BIOS has no EFI variables",
          remedy: "Leave out --bios, or --efi-vars, --fresh-variables and --efi-firmware")
      }
      return BootArtefacts(image: image, format: format, sectorSize: sectorSize, efi: nil)
    }
    let efi = try await efi(request, manifest, folder)
    return BootArtefacts(image: image, format: format, sectorSize: sectorSize, efi: efi)
  }

  private static func efi(
    _ request: BootRequest, _ manifest: Manifest?, _ folder: FilePath?
  ) async throws -> EFI {
    let pair = request.efiFirmware == nil ? manifest?.firmware ?? request.firmware : nil
    let wish = FirmwareWish(
      code: try request.efiFirmware.map { try RegularFile.check(FilePath($0)).string } ?? pair?.code,
      variables: pair?.variablesTemplate,
      needsSMM: request.efiFirmwareNeedsSMM ?? pair?.requiresSMM)
    let firmware = try await HostProbe().firmware(wish)
    if let manifest, manifest.firmware != nil, manifest.efiVariables == nil, request.efiVariables == nil,
      !request.freshVariables
    {
      throw manifest.taken("EFI variable store", "--efi-vars")
    }
    guard !request.freshVariables || request.efiVariables == nil else {
      throw Fault(
        .badInput, "the EFI variables are given, and are to be fresh",
        remedy: "Leave out --efi-vars or --fresh-variables")
    }
    let built = request.freshVariables ? nil : manifest?.efiVariables
    let variables =
      request.efiVariables.map { FilePath($0).absolute }
      ?? folder.flatMap { folder in built.map { folder.appending($0) } }
      ?? FilePath(firmware.variablesTemplate)
    _ = try RegularFile.check(variables)
    let bytes = try await flashBytes(variables)
    let store = try await store(in: bytes, of: variables, firmware)
    let enforces = firmware.secureBoot && store.enforcesSecureBoot
    if manifest?.spec.secureBoot != nil, !enforces {
      throw Fault(
        .badInput, "the image is made for Secure Boot, and this firmware or store has it off",
        remedy: "Leave out --efi-firmware and --efi-vars, or give a pair with Secure Boot")
    }
    return EFI(firmware: firmware, variables: bytes, enforcesSecureBoot: enforces)
  }

  /// Firmware that is given a store of another size boots, and quietly keeps no variables.
  private static func store(
    in bytes: [UInt8], of variables: FilePath, _ firmware: FirmwarePair
  ) async throws -> VariableStore {
    do {
      let template = try VariableStore(reading: await flashBytes(FilePath(firmware.variablesTemplate)))
      let store = try VariableStore(reading: bytes)
      try store.checkHeaders(sameAs: template)
      return store
    } catch let fault as EFIFault {
      throw Fault(
        .badInput, "\(variables) is not a variable store of the firmware \(firmware.code): \(fault)",
        remedy: "Give the store that belongs to the firmware, or the firmware with --efi-firmware")
    }
  }

  /// The request's file, or of the folder's images the first, or the one of the request's format.
  private static func image(
    of request: BootRequest, _ manifest: Manifest?, _ folder: FilePath?
  ) throws -> (FilePath, ImageFormat) {
    if let file = request.image.map({ FilePath($0) }) { return (file, try format(of: file, request)) }
    let images = manifest?.images ?? []
    if let manifest, images.isEmpty { throw manifest.taken("disk image", "--image and --format") }
    let wanted = images.first { request.format == nil || $0.format == request.format }
    guard let folder, let wanted else {
      let known = images.map(\.format.rawValue).joined(separator: ", ")
      throw Fault(
        .badInput, "\(request.folder ?? "") has no image of the format \(request.format?.rawValue ?? "")",
        remedy: "It has: \(known)")
    }
    return (folder.appending(wanted.file), wanted.format)
  }

  private static func format(of image: FilePath, _ request: BootRequest) throws -> ImageFormat {
    if let format = request.format { return format }
    guard let known = ImageFormat.named(by: image.string) else {
      throw Fault(
        .badInput, "the format of \(image) is not known by its name", remedy: "Name it with --format")
    }
    return known
  }
}

extension Manifest {
  /// An artefact that every such build makes, and that the folder does not have.
  fileprivate func taken(_ artefact: String, _ flags: String) -> Fault {
    let others = files.map(\.path).joined(separator: ", ")
    return Fault(
      .badInput, "the output folder has no \(artefact): the build's postVM removed, renamed or replaced it",
      remedy: "Name the file with \(flags). The folder has: \(others)")
  }
}
