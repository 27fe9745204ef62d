internal import BuildPlan
internal import Foundation
internal import ImageModel
internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// What is printed after a build, and the command that runs its image.
@Suite struct SummaryTests {
  private func result(
    format: ImageFormat = .qcow2, sectorSize: UInt64 = 512, firmware: FirmwarePair? = nil,
    accelerator: Accelerator.Kind = .tcg
  ) throws -> BuildResult {
    let identifier = try #require(GUID("eb7a7888-8512-5708-a006-03bc295c8db2"))
    let change = Manifest.VariableChange(
      kind: .added, variable: "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c", value: "0001,0000",
      isFirmwareOwned: false)
    let own = Manifest.VariableChange(
      kind: .added, variable: "Attempt 1-59324945-ec44-4c0d-b1cd-9db139df070c", value: "00",
      isFirmwareOwned: true)
    let name = "nixos.\(format.fileExtension)"
    let manifest = Manifest(
      spec: ImageSpec(), system: "/nix/store/x", seed: GUID(high: 1, low: 2), time: 1, sealed: true,
      disk: DiskLayout(
        table: .gpt, sectorSize: sectorSize, sectors: 1 << 20, guid: identifier, partitions: []),
      images: [Manifest.Image(OutputImage(disk: "d", format: format, file: name, identifier: identifier))],
      efiVariables: firmware == nil ? nil : "efi-vars.fd", firmware: firmware,
      efiVariableChanges: firmware == nil ? nil : [change, own],
      files: [
        .init(path: "efi-vars.fd", size: 540_672, sha256: ""),
        .init(path: name, size: 228_261_888, sha256: ""),
      ], tools: [:])
    let loader =
      firmware == nil
      ? BuildResult.Loader(firmware: .bios, name: "GRUB")
      : BuildResult.Loader(
        firmware: .efi, name: "systemd-boot", file: #"\EFI\systemd\systemd-bootx64.efi"#)
    return BuildResult(manifest: manifest, loaders: [loader], rootFree: 512 << 20, accelerator: accelerator)
  }

  private func firmware(needsSMM: Bool = false) -> FirmwarePair {
    FirmwarePair(
      code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variablesTemplate: "/usr/share/OVMF/OVMF_VARS_4M.fd",
      requiresSMM: needsSMM, secureBoot: needsSMM)
  }

  @Test func aBuildIsSummedUp() throws {
    let summary = BuildSummary(result: try result(firmware: firmware()), folder: "image", seconds: 83)
    try expectSnapshot(summary.lines.joined(separator: "\n") + "\n", named: "summary-efi.txt")
  }

  @Test func aBuildForABIOSIsSummedUp() throws {
    let summary = BuildSummary(result: try result(), folder: "image", seconds: 8.3)
    try expectSnapshot(summary.lines.joined(separator: "\n") + "\n", named: "summary-bios.txt")
  }

  @Test func pathsAreQuotedForTheShellAndForQEMU() throws {
    let command = try #require(try result(firmware: firmware()).command(in: "/tmp/it's, a:b"))
    #expect(command.contains(#"'if=virtio,format=qcow2,file=/tmp/it'\''s,, a:b/nixos.qcow2'"#), "\(command)")
    #expect(try result().command(in: "nbd:x")?.contains("file=./nbd:x/nixos.qcow2") == true)
  }

  @Test func secureBootSectorsAndKVMAreHeeded() throws {
    let command = try #require(
      try result(sectorSize: 4096, firmware: firmware(needsSMM: true), accelerator: .kvm).command(in: "r"))
    for part in ["smm=on", "property=secure,value=on", "logical_block_size=4096", "-accel kvm", "-cpu host"] {
      #expect(command.contains(part), "\(command)")
    }
  }

  @Test func whatQEMUCannotRunHasNoCommand() throws {
    #expect(try result(format: .compressedRaw).command(in: "r") == nil)
    var loaderless = try result()
    loaderless.loaders = []
    #expect(loaderless.command(in: "r") == nil)
  }
}
