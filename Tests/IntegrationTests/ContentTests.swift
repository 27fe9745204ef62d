import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// What goes into an image beside the system's closure.
@Suite(.virtualMachines, .serialized) struct ContentTests {
  private let runner = SubprocessRunner()

  /// On ext4 contents are poured; on the others they are copied from the poured disk.
  @Test(arguments: ["ext4", "xfs"])
  func a23ContentsHaveTheirPlacesModesAndOwners(filesystem: String) async throws {
    try await withScratchDirectory { scratch in
      let source = scratch.appending("source").string
      try await runner.run(
        "sh", "-c",
        "mkdir -p $1/d/e; echo plain > $1/file; echo inner > $1/d/e/f; echo '{ }' > $1/c.nix", "sh", source)
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", out.string, "--fs-type", filesystem,
        "--contents", "\(source)/file:/srv/file:755:1234:5678", "--contents",
        "\(source)/d:/srv/folder::nobody:nogroup", "--config-file", "\(source)/c.nix",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let session = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch,
        commands: [
          "stat -c '%A %u %g' /srv/file /srv/folder/e/f /etc/nixos/configuration.nix; cat /srv/folder/e/f",
          "echo done-$((6 * 7))",
        ], until: "done-42")
      #expect(session.contains("-rwxr-xr-x 1234 5678"), "\(session.suffix(2000))")
      #expect(session.contains("-rw-r--r-- 65534 65534"))
      #expect(session.contains("-rw-r--r-- 0 0"))
      #expect(session.contains("inner"))
    }
  }

  @Test func a34SecretsOfTheInitrdAreInTheInstalledOne() async throws {
    try await withScratchDirectory { scratch in
      let secret = scratch.appending("key")
      let token = UUID().uuidString
      try token.write(toFile: secret.string, atomically: true, encoding: .utf8)
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny-secrets"), "--out", out.string,
        "--contents", "\(secret):/etc/secrets/key:0600", "--additional-space", "16M", "--verify",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let esp = try await DiskImage(out.appending("nixos.img")).carve(0, to: scratch.appending("esp"))
      let initrd = scratch.appending("initrd")
      try await SubprocessRunner().run(
        "mcopy", "-i", esp.string, "::/EFI/nixos/initrd-generation-1.efi", initrd.string)
      #expect(try Data(contentsOf: URL(fileURLWithPath: initrd.string)).range(of: Data(token.utf8)) != nil)
    }
  }

  @Test func anUnknownUserFailsTheBuildAndLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      let result = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", scratch.appending("r").string,
        "--contents", "/etc/hostname:/srv/x::no-such-user:nogroup",
      ])
      #expect(result.status == 1)
      #expect(result.cause.contains("no-such-user"), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  @Test func a24ADuplicateTargetIsRefusedBeforeAMachineStarts() async throws {
    try await withScratchDirectory { scratch in
      let result = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", scratch.appending("r").string,
        "--contents", "/etc/hostname:/srv/x", "--contents", "/etc/hosts:/srv/x",
      ])
      #expect(result.status == 2)
      #expect(result.cause.contains("/srv/x"), "\(result.errors)")
    }
  }

  @Test func additionalPathsAreRegisteredWithTheirClosures() async throws {
    try await withScratchDirectory { scratch in
      let extra = try await runner.run("nix-store", "--add", "/etc/hostname")
        .trimmingCharacters(in: .whitespacesAndNewlines)
      defer { Task { try? await runner.run("nix-store", "--delete", extra) } }
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--only-nix-store", "--system", try await TestSystem.path("tiny"), "--out", out.string,
        "--additional-paths", extra,
      ])
      try #require(built.status == 0, "\(built.errors)")
      let image = out.appending("nixos.img").string
      let registration = try await runner.run("debugfs", "-R", "cat /nix-path-registration", image)
      #expect(registration.contains(extra))
      let name = extra.dropFirst("/nix/store/".count)
      #expect(try await runner.run("debugfs", "-R", "stat /\(name)", image).contains("Type: regular"))
    }
  }
}
