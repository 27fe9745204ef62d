import Basics
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// What `verify` boots, and what it refuses before it boots anything.
@Suite struct BootArtefactsTests {
  private static let code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  private static let template = "/usr/share/OVMF/OVMF_VARS_4M.fd"
  private static let pair = FirmwarePair(
    code: code, variablesTemplate: template, requiresSMM: false, secureBoot: false)

  private func refusal(_ request: BootRequest) async -> String {
    let error = await #expect(throws: Fault.self) { _ = try await BootArtefacts.resolve(request) }
    #expect(error?.kind == .badInput)
    return error?.lines.joined(separator: "\n") ?? ""
  }

  /// A comparison in the expectation itself would print half a MiB.
  private func isSame(_ variables: [UInt8]?, _ file: FilePath) throws -> Bool {
    try variables == HostFiles.read(file)
  }

  /// An output folder: two images, and a store with a `BootNext`, as its manifest says.
  private func folder(
    in scratch: FilePath, _ change: (inout Manifest) -> Void = { _ in }
  ) throws -> FilePath {
    let identifier = GUID(high: 1, low: 2)
    var manifest = Manifest(
      spec: ImageSpec(), system: "/nix/store/x", seed: GUID(high: 1, low: 2), time: 1, sealed: true,
      disk: DiskLayout(table: .gpt, sectorSize: 4096, sectors: 8, guid: identifier, partitions: []),
      images: [
        Manifest.Image(
          OutputImage(
            disk: DiskSerial.target, format: .raw, file: "nixos.img", identifier: identifier)),
        Manifest.Image(
          OutputImage(
            disk: DiskSerial.target, format: .vpc, file: "nixos.vhd", identifier: identifier)),
      ],
      efiVariables: "efi-vars.fd", firmware: Self.pair, efiVariableChanges: [], files: [], tools: [:])
    change(&manifest)
    let folder = scratch.appending("result")
    try HostFiles.makeDirectory(folder)
    try HostFiles.write(manifest.json(), to: folder.appending("manifest.json"))
    for image in manifest.images {
      try HostFiles.makeSparseFile(folder.appending(image.file), bytes: 1 << 20)
    }
    var store = try VariableStore(reading: HostFiles.read(FilePath(Self.template)))
    try store.set(Variable(.bootNext, .standard, [7, 0]))
    try HostFiles.write(store.serialized(), to: folder.appending("efi-vars.fd"))
    return folder
  }

  @Test func aFolderIsBootedAsItsManifestSays() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch)
      let found = try await BootArtefacts.resolve(BootRequest(folder: folder.string))
      #expect(found.image == folder.appending("nixos.img") && found.format == .raw)
      #expect(found.sectorSize == 4096)
      let efi = try #require(found.efi)
      #expect(efi.firmware.code == Self.code && !efi.enforcesSecureBoot)
      #expect(try isSame(efi.variables, folder.appending("efi-vars.fd")))
      let other = try await BootArtefacts.resolve(BootRequest(folder: folder.string, format: .vpc))
      #expect(other.image == folder.appending("nixos.vhd") && other.format == .vpc)
    }
  }

  @Test func whatARequestNamesGoesFirst() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch)
      let request = BootRequest(folder: folder.string, efiVariables: Self.template, sectorSize: 512)
      let found = try await BootArtefacts.resolve(request)
      #expect(found.sectorSize == 512)
      #expect(try isSame(found.efi?.variables, FilePath(Self.template)))
      let bios = try await BootArtefacts.resolve(BootRequest(folder: folder.string, bios: true))
      #expect(bios.efi == nil)
    }
  }

  @Test func anImageWithoutFirmwareInItsManifestIsABIOSs() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch) {
        $0.firmware = nil
        $0.efiVariables = nil
      }
      #expect(try await BootArtefacts.resolve(BootRequest(folder: folder.string)).efi == nil)
      let asked = BootRequest(folder: folder.string, efiFirmware: Self.code)
      #expect(try await BootArtefacts.resolve(asked).efi?.firmware.code == Self.code)
    }
  }

  @Test func aLoneImageTakesThePreferredFirmwareAndItsTemplate() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("disk.img")
      try HostFiles.makeSparseFile(image, bytes: 1 << 20)
      let found = try await BootArtefacts.resolve(BootRequest(image: image.string))
      #expect(found.format == .raw && found.sectorSize == 512)
      #expect(try isSame(found.efi?.variables, FilePath(Self.template)))
    }
  }

  @Test func requestsThatContradictThemselvesAreRefused() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("disk").string
      try HostFiles.makeSparseFile(FilePath(image), bytes: 1 << 20)
      let cases: [(BootRequest, String)] = [
        (BootRequest(), "nothing to boot, or too much"),
        (BootRequest(folder: "/r", image: image), "nothing to boot, or too much"),
        (BootRequest(image: image), "the format of \(image) is not known by its name"),
        (
          BootRequest(image: image, format: .raw, sectorSize: 1000),
          "there are no disks with sectors of 1000 bytes"
        ),
        (
          BootRequest(image: image, format: .raw, efiVariables: Self.template, bios: true),
          "a BIOS has no EFI variables"
        ),
        (
          BootRequest(image: image, format: .raw, efiFirmware: Self.code, bios: true),
          "a BIOS has no EFI variables"
        ),
        (
          BootRequest(
            image: image, format: .raw,
            kernel: ExternalKernel(kernel: "/nowhere/kernel", initrd: image, commandLine: "")),
          "/nowhere/kernel"
        ),
      ]
      for (request, words) in cases {
        let found = await refusal(request)
        #expect(found.contains(words), "\(found)")
      }
    }
  }

  @Test func whatAFolderDoesNotHaveIsNamedWithWhatItHas() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch)
      let found = await refusal(BootRequest(folder: folder.string, format: .qcow2))
      #expect(found.contains("has no image of the format qcow2") && found.contains("It has: raw, vpc"))
      try HostFiles.remove(folder.appending("nixos.img"))
      let gone = await refusal(BootRequest(folder: folder.string))
      #expect(gone.contains("\(folder)/nixos.img does not exist"), "\(gone)")
    }
  }

  @Test(arguments: [true, false])
  func whatAHookTookAwayHasToBeNamed(isImage: Bool) async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch) { manifest in
        if isImage { manifest.images = [] } else { manifest.efiVariables = nil }
        manifest.files = [.init(path: "nixos.img.xz", size: 1, sha256: "")]
      }
      let found = await refusal(BootRequest(folder: folder.string))
      #expect(found.contains(isImage ? "no disk image" : "no EFI variable store"), "\(found)")
      #expect(found.contains("postVM") && found.contains(isImage ? "--image" : "--efi-vars"))
      #expect(found.contains("The folder has: nixos.img.xz"))
      guard !isImage else { return }
      let request = BootRequest(
        folder: folder.string, efiVariables: folder.appending("efi-vars.fd").string)
      #expect(try await BootArtefacts.resolve(request).efi != nil)
    }
  }

  @Test func aStoreAloneCannotBeBooted() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch) { $0.spec.onlyNixStore = true }
      #expect(await refusal(BootRequest(folder: folder.string)).contains("has a Nix store only"))
    }
  }

  /// The firmware would boot, and quietly keep no variables.
  @Test func aStoreOfAnotherFirmwareIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch)
      let store = folder.appending("efi-vars.fd")
      let whole = try HostFiles.read(store)
      let smaller = try HostFiles.read("/usr/share/OVMF/OVMF_VARS.fd")
      #expect(throws: Never.self) { try VariableStore(reading: smaller) }
      for bytes in [smaller, Array(whole.prefix(1 << 17)), [UInt8](repeating: 0xFF, count: whole.count), []] {
        try HostFiles.write(bytes, to: store)
        let found = await refusal(BootRequest(folder: folder.string))
        #expect(found.contains("is not a variable store of the firmware \(Self.code)"), "\(found)")
      }
    }
  }

  @Test func anImageForSecureBootIsNotBootedWithoutIt() async throws {
    try await withScratchDirectory { scratch in
      let folder = try folder(in: scratch) {
        $0.spec.secureBoot = SecureBootSpec(pk: "/k/pk.pem", kek: ["/k/kek.pem"], db: ["/k/db.pem"])
      }
      let found = await refusal(BootRequest(folder: folder.string))
      #expect(found.contains("made for Secure Boot"), "\(found)")
    }
  }
}
