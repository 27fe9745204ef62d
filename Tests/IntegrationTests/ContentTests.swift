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
        "mkdir -p $1/d/e; echo plain > $1/file; echo inner > $1/d/e/f; echo '{ }' > $1/c.nix; "
          + "echo 0123456789abcdef0123456789abcdef > $1/id; touch $1/d/own; chmod 2755 $1/d/own", "sh", source
      )
      // The ESP is a mount below the root: then an ext4 would be copied as well.
      let onESP = filesystem == "ext4" ? [] : ["--contents", "\(source)/file:/boot/EFI/slipway/"]
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run(
        [
          "build", "--system", try await TestSystem.path("tiny"), "--out", out.string, "--fs-type",
          filesystem,
          "--contents", "\(source)/file:/srv/file:755:1234:5678", "--contents",
          "\(source)/d:/srv/folder::nobody:nogroup", "--config-file", "\(source)/c.nix",
          "--contents", "\(source)/file:/srv/s:4755:1234:5678", "--contents",
          "\(source)/file:/srv/folder/roots:0644", "--extra-file", "\(source)/id:/etc/machine-id:0444",
        ] + onESP)
      try #require(built.status == 0, "\(built.errors)")
      #expect(built.errors.contains("will have the /etc/machine-id of its contents"))
      if !onESP.isEmpty {
        let esp = try await DiskImage(out.appending("nixos.img")).carve(0, to: scratch.appending("esp"))
        #expect(try await runner.run("mtype", "-i", esp.string, "::/EFI/slipway/file").contains("plain"))
      }
      let session = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch,
        commands: [
          "stat -c '%A %u %g' /srv/file /srv/folder/e/f /etc/nixos/configuration.nix; cat /srv/folder/e/f",
          "stat -c '%A %u %g' /srv/s /srv/folder/own; stat -c '%n %u' /srv/folder/roots; cat /etc/machine-id",
          "echo done-$((6 * 7))",
        ], until: "done-42")
      #expect(session.contains("-rwxr-xr-x 1234 5678"), "\(session.suffix(2000))")
      #expect(session.contains("-rw-r--r-- 65534 65534"))
      #expect(session.contains("-rw-r--r-- 0 0"))
      #expect(session.contains("inner"))
      #expect(session.contains("-rwsr-xr-x 1234 5678"))
      #expect(session.contains("-rwxr-sr-x 65534 65534"))
      #expect(session.contains("/srv/folder/roots 0"))
      #expect(session.contains("0123456789abcdef0123456789abcdef"))
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

  @Test(arguments: ["plan", "build"])
  func whatCannotBeReadIsNamedBeforeAMachineStarts(command: String) async throws {
    try await withScratchDirectory { scratch in
      try await runner.run(
        "sh", "-c",
        "cd $1; echo k >key; chmod 600 key; mkdir locked d; chmod 700 locked; mkfifo d/p; echo x >d/x; chmod 755 .",
        "sh", scratch.string)
      for (source, named) in [
        ("key", "key"), ("locked", "locked"), ("locked/*", "locked/*"), ("d", "d/p"), ("gone", "gone"),
      ] {
        let out = command == "build" ? ["--out", "/tmp/slipway-unread-\(UUID().uuidString)"] : []
        let result = try await SlipwayCommand.run(
          [
            command, "--system", try await TestSystem.path("tiny"), "--contents",
            "\(scratch)/\(source):/etc/x",
          ] + out,
          wrapper: OrdinaryUser.wrapper, environment: OrdinaryUser.environment(home: scratch))
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.cause.contains("\(scratch)/\(named)"), "\(result.errors)")
      }
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
