import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Images of the boot partitions alone, whose store is the host's.
@Suite(.virtualMachines, .serialized) struct BootPartitionsTests {
  private func build(_ system: String, _ out: FilePath, _ arguments: [String]) async throws {
    let result = try await SlipwayCommand.run(
      ["build", "--system", system, "--out", out.string, "--store", "host"] + arguments)
    try #require(result.status == 0, "\(result.errors)")
  }

  /// A disk with root and store, as the host gives it to the machine that boots.
  private func root(of system: String, in scratch: FilePath) async throws -> FilePath {
    let out = scratch.appending("root")
    let result = try await SlipwayCommand.run([
      "build", "--system", system, "--out", out.string, "--partition-table-type", "none",
      "--no-install-boot-loader", "--additional-space", "64M",
    ])
    try #require(result.status == 0, "\(result.errors)")
    return out.appending("nixos.img")
  }

  private func digest(_ file: FilePath) async throws -> String {
    String(try await SubprocessRunner().run("sha256sum", file.string).prefix(64))
  }

  /// systemd-boot: the image boots with a root beside it, is small, has no root, and its bytes and variables are the same
  /// when another path comes to the store, with other times of the guest's writes.
  @Test func systemdBootStartsAndTheBytesFollowFromTheBootFiles() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      let (first, second) = (scratch.appending("a"), scratch.appending("b"))
      try await build(system, first, ["--format", "raw", "--format", "qcow2"])
      let other = try await TestSystem.path("tiny-b")
      try await build(
        system, second, ["--format", "raw", "--format", "qcow2", "--additional-paths", other, "--cpus", "1"])
      for file in ["nixos.img", "nixos.qcow2", "efi-vars.fd"] {
        #expect(try await digest(first.appending(file)) == digest(second.appending(file)), "\(file)")
      }
      let image = first.appending("nixos.img")
      let partitions = try await DiskImage(image).partitions()
      #expect(partitions.count == 1)
      let esp = scratch.appending("esp")
      let start = try #require(partitions.first).start
      try await SubprocessRunner().run(
        "dd", "if=\(image)", "of=\(esp)", "bs=512", "skip=\(start)", "status=none", "conv=sparse")
      try await SubprocessRunner().run("fsck.fat", "-n", esp.string)
      let attributes = try FileManager.default.attributesOfItem(atPath: first.appending("nixos.qcow2").string)
      #expect((attributes[.size] as? Int ?? .max) <= 64_000_000)

      let shown = try await ConsoleSession.run(
        image: image, format: "raw", variables: first.appending("efi-vars.fd"),
        further: [root(of: system, in: scratch)], scratch: scratch,
        commands: [
          "echo system=$(readlink /run/booted-system || readlink /run/current-system) end-$((6 * 7))"
        ],
        until: "end-42")
      #expect(shown.contains("system=\(system)"), "\(shown.suffix(2000))")
    }
  }

  @Test func grubStarts() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("grub-efi")
      let out = scratch.appending("a")
      try await build(system, out, [])
      let shown = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        further: [root(of: system, in: scratch)], scratch: scratch,
        commands: ["echo end-$((6 * 7))"], until: "end-42")
      #expect(shown.contains("end-42"), "\(shown.suffix(2000))")
    }
  }

  /// As NixOS's tests have it: the root is in memory, and the store is the host's.
  @Test func itStartsWithAStoreThatTheHostShares() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("f2fs-shared")
      let out = scratch.appending("a")
      try await build(system, out, [])
      let shares = HostShare.allCases.filter(\.isAvailable)
      #expect(shares.contains(.ninePFS))
      for share in shares {
        let shown = try await ConsoleSession.run(
          image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
          share: share, scratch: scratch,
          commands: [
            "echo system=$(readlink /run/booted-system || readlink /run/current-system) end-$((6 * 7))"
          ],
          until: "end-42")
        #expect(shown.contains("mounted store (\(share.rawValue)) on /nix/store"), "\(shown.suffix(2000))")
        #expect(shown.contains("system=\(system) "), "\(shown.suffix(2000))")
      }
    }
  }

  @Test func itIsNotVerifiedAlone() async throws {
    let result = try await SlipwayCommand.run([
      "build", "--system", "/nix/store/none", "--store", "host", "--verify", "--out", "/nowhere/x",
    ])
    #expect(result.status == 2 && result.errors.contains("the boot partitions alone cannot be booted"))
  }
}
