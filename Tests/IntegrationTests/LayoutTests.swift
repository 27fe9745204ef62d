import Foundation
import SystemPackage
import TestSupport
import Testing

/// make-disk-image's partition tables, each with a system that boots from it.
@Suite(.virtualMachines, .serialized) struct LayoutTests {
  /// Without a bootloader the kernel comes from outside; it finds the root by its label, and by its init.
  @Test(arguments: ["none", "legacy", "legacy+gpt"])
  func aRootWithoutABootLoaderBootsByAnExternalKernel(table: String) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let system = try await TestSystem.path("tiny")
      let built = try await SlipwayCommand.run([
        "build", "--system", system, "--out", out.string, "--partition-table-type", table,
        "--no-install-boot-loader", "--additional-space", "16M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      #expect(!FileManager.default.fileExists(atPath: out.appending("efi-vars.fd").string))
      let parameters = try String(contentsOfFile: "\(system)/kernel-params", encoding: .utf8)
      let verified = try await SlipwayCommand.run([
        "verify", out.string, "--kernel", "\(system)/kernel", "--initrd", "\(system)/initrd", "--append",
        "\(parameters) init=\(system)/init",
      ])
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  @Test func hybridBootsByEFI() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", out.string,
        "--partition-table-type", "hybrid", "--verify",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let partitions = try await DiskImage(out.appending("nixos.img")).partitions()
      // Numbered as make-disk-image does: the BIOS boot partition is second, and lies first.
      #expect(partitions.map(\.start) == [16384, 34, 524288])
    }
  }
}
