import Command
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

  @Test("A9 A36: partitions have their types and labels, and systemd-boot's files are on the right ones")
  func xbootldrHasEverythingInItsPlace() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("xbootldr"), "--out", out.string,
        "--partition-table-type", "efixbootldr", "--additional-space", "16M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let image = DiskImage(out.appending("nixos.img"))
      let partitions = try await image.partitions()
      #expect(partitions.map(\.name) == ["ESP", "BOOT", "root"])
      // UEFI 2.10, table 5.7, and the Discoverable Partitions Specification.
      #expect(
        partitions.map(\.type) == [
          "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "BC13C2FF-59E6-4262-A352-B275FD6F7172",
          "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        ])
      var labels: [String] = []
      var parts: [FilePath] = []
      for (index, name) in ["esp", "boot", "root"].enumerated() {
        let part = try await image.carve(index, to: scratch.appending(name))
        parts.append(part)
        labels.append(try await tool("blkid", "-p", "-s", "LABEL", "-o", "value", part.string))
      }
      #expect(labels == ["ESP", "BOOT", "nixos"])
      let esp = try await tool("mdir", "-/", "-b", "-i", parts[0].string)
      let boot = try await tool("mdir", "-/", "-b", "-i", parts[1].string)
      #expect(
        esp.contains("/EFI/systemd/systemd-bootx64.efi") && esp.contains("/EFI/BOOT/BOOTX64.EFI"), "\(esp)")
      #expect(boot.contains("/loader/entries/nixos") && boot.contains("/EFI/nixos/"), "\(boot)")
      #expect(!esp.contains("nixos") && !boot.contains("systemd-boot"), "\(esp) \(boot)")
    }
  }

  private func tool(_ name: String, _ arguments: String...) async throws -> String {
    try await SubprocessRunner().run(Command(name, arguments))
      .trimmingCharacters(in: .whitespacesAndNewlines)
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
