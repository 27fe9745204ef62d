import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Images of real systems, through the command line, under the eyes of independent checkers.
@Suite(.virtualMachines, .serialized) struct BuildTests {
  @Test func a3TinyIsBuiltCheckedAndBooted() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let system = try await TestSystem.path("tiny")
      let built = try await SlipwayCommand.run(["build", "--system", system, "--out", out.string])
      try #require(built.status == 0, "\(built.errors)")

      try await DiskImage(out.appending("nixos.img")).check(root: "ext4", scratch: scratch)
      try await checkManifest(in: out, system: system)
      #expect(
        try text(out.appending("nix-support/hydra-build-products")) == "file raw-image \(out)/nixos.img\n")
      #expect(try !text(out.appending("log/console.log")).isEmpty)

      let esp = try await DiskImage(out.appending("nixos.img")).partitions()[0]
      let entry = try #require(try await VirtFirmware.linuxBootManager(in: out.appending("efi-vars.fd")))
      #expect(entry.partition.lowercased() == esp.uuid?.lowercased())
      #expect(entry.start == esp.start)
      #expect(entry.size == esp.size)

      let before = try await digests(of: out)
      let verified = try await SlipwayCommand.run(["verify", out.string])
      try #require(verified.status == 0, "\(verified.errors)")
      #expect(verified.output.contains("login:"))
      #expect(try await digests(of: out) == before)
      #expect(try await leftovers(in: scratch, besides: ["r", "esp", "root"]).isEmpty)
    }
  }

  /// The home is one that does not exist, and none is made.
  @Test func a4WithoutVariablesTheFallbackPathBoots() async throws {
    try await withScratchDirectory { scratch in
      let (out, home) = (scratch.appending("r"), scratch.appending("nobody"))
      let system = try await TestSystem.path("tiny-notouch")
      let built = try await SlipwayCommand.run(
        [
          "build", "--system", system, "--out", out.string, "--format", "qcow2", "--no-touch-efi-vars",
        ], environment: ["HOME": home.string])
      try #require(built.status == 0, "\(built.errors)")
      #expect(!FileManager.default.fileExists(atPath: home.string))
      #expect(try await VirtFirmware.linuxBootManager(in: out.appending("efi-vars.fd")) == nil)
      let image = out.appending("nixos.qcow2").string
      try await SubprocessRunner().run("qemu-img", "check", image)
      // No --efi-vars: the firmware's template knows of no entry, so EFI/BOOT/BOOTX64.EFI is what boots.
      let verified = try await SlipwayCommand.run(["verify", "--image", image])
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  /// Formats that libvirt knows, and VHDX, which it does not.
  @Test func imagesOfOtherHypervisorsBoot() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r").string
      let formats = ["vdi", "vpc", "vmdk", "vhdx"]
      let built = try await SlipwayCommand.run(
        ["build", "--system", try await TestSystem.path("tiny"), "--out", out]
          + formats.flatMap { ["--format", $0] })
      try #require(built.status == 0, "\(built.errors)")
      for format in formats {
        let verified = try await SlipwayCommand.run(["verify", out, "--format", format])
        #expect(verified.status == 0, "\(format): \(verified.errors)")
      }
    }
  }

  /// The guest's own kernel has packed modules here, of all sorts, loaded at boot and on demand.
  @Test(arguments: [("xfs", ["xz"]), ("btrfs", ["zst", "xz", "", "gz"])])
  func otherRootFilesystemsBoot(filesystem: String, packings: [String]) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let system = try await TestSystem.path("tiny")
      let built = try await SlipwayCommand.run(
        [
          "build", "--system", system, "--out", out.string, "--fs-type", filesystem, "--verify",
        ] + packedKernel(in: scratch, packings: packings))
      try #require(built.status == 0, "\(built.errors)")
      #expect(!built.errors.contains("kernel module"), "\(built.errors)")
      try await DiskImage(out.appending("nixos.img")).check(root: filesystem, scratch: scratch)
    }
  }

  @Test func anOrdinaryUserBuildsFromAClosureInfoFolder() async throws {
    try await withScratchDirectory { scratch in
      let home = scratch.appending("home")
      let info = scratch.appending("closure-info")
      let system = try await TestSystem.path("tiny")
      try await ClosureInfo.write(of: system, to: info)
      try FileManager.default.createDirectory(atPath: home.string, withIntermediateDirectories: true)
      try await SubprocessRunner().run("chown", "65534:65534", home.string)
      let out = home.appending("r")
      let built = try await SlipwayCommand.run(
        ["build", "--system", system, "--closure-info", info.string, "--out", out.string, "--verify"],
        wrapper: OrdinaryUser.wrapper, environment: OrdinaryUser.environment(home: home))
      try #require(built.status == 0, "\(built.errors)")
      #expect(FileManager.default.fileExists(atPath: out.appending("nixos.img").string))
    }
  }

  @Test func anOrdinaryUserBuildsFromTheLiveStoreThroughADaemon() async throws {
    try await withScratchDirectory { scratch in
      let home = scratch.appending("home")
      let runtime = home.appending("run")
      try FileManager.default.createDirectory(atPath: runtime.string, withIntermediateDirectories: true)
      try await SubprocessRunner().run("chown", "-R", "65534:65534", home.string)
      try await SubprocessRunner().run("chmod", "700", runtime.string)
      // libvirt starts that daemon by itself, and it would outlive the test by two minutes.
      defer { for daemon in ["libvirtd", "virtlogd"] { OrdinaryUser.end(daemon) } }
      let out = home.appending("r").string
      let system = try await TestSystem.path("tiny")
      let built = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", out, "--connect", "qemu:///session"],
        wrapper: OrdinaryUser.wrapper,
        environment: OrdinaryUser.environment(home: home).merging(["XDG_RUNTIME_DIR": runtime.string]) { $1 })
      try #require(built.status == 0, "\(built.errors)")
      #expect(try await guests(of: scratch).isEmpty)
    }
  }

  /// A user without rights builds through a daemon, which only listens on its socket once it is up.
  private static let demoChecks = [
    ConsoleChecks.definition,
    ConsoleChecks.check("A1", "systemctl is-active multi-user.target"),
    ConsoleChecks.check("A25", "nix store verify --no-trust -r /run/current-system"),
    ConsoleChecks.check("A26-root", "nix-store --verify --check-contents"),
    ConsoleChecks.check("A27", "[ $(nix-instantiate --eval -E \"(import <nixos> { }).answer\") = 42 ]"),
    ConsoleChecks.check(
      "A39", "[ $(cat /srv/container) = none ] && grep -q -x -E \"qemu|kvm\" /srv/virtualisation"),
    ConsoleChecks.check("A28", "[ $(stat -c %a%u%g /root)-$(stat -c %a%u%g /tmp) = 70000-177700 ]"),
    "nix-daemon & until [ -S /nix/var/nix/daemon-socket/socket ]; do sleep 1; done",
    "echo alice:x:1000:100::/tmp:/bin/sh >> /etc/passwd",
    #"echo 'derivation { name = "hers"; system = "x86_64-linux"; builder = "/bin/sh";' > /tmp/hers.nix"#,
    #"echo 'args = [ "-c" "echo built > $out" ]; }' >> /tmp/hers.nix"#,
    "build='HOME=/tmp NIX_REMOTE=daemon nix-build /tmp/hers.nix --no-out-link'",
    ConsoleChecks.check(
      "A26-alice",
      "[ $(cat $(setpriv --reuid 1000 --regid 100 --clear-groups /bin/sh -c \"$build\") < /dev/null) = built ]"
    ),
    ConsoleChecks.end,
  ]

  /// In the chroot of the installation: a container there would keep bootctl from the EFI variables.
  private static let detection = """
    PATH=$(readlink -f /nix/var/nix/profiles/system)/sw/bin
    mkdir -p /srv
    systemd-detect-virt > /srv/virtualisation
    systemd-detect-virt --container > /srv/container || true
    """

  @Test(
    "A1 A25 A26 A27 A28 A39: demo comes up, its store is whole, a user builds in it, and root has a channel")
  func demoWorks() async throws {
    try await withScratchDirectory { scratch in
      try await TestChannel.with(scratch: scratch) { try await buildDemo(with: $0, in: scratch) }
    }
  }

  private func buildDemo(with channel: String, in scratch: FilePath) async throws {
    let out = scratch.appending("r")
    let script = scratch.appending("detect").string
    try Self.detection.write(toFile: script, atomically: true, encoding: .utf8)
    let built = try await SlipwayCommand.run([
      "build", "--system", try await TestSystem.path("demo"), "--out", out.string, "--format", "qcow2",
      "--copy-channel", channel, "--post-install", script,
    ])
    try #require(built.status == 0, "\(built.errors)")
    let verified = try await SlipwayCommand.run([
      "verify", out.string, "--screenshot", scratch.appending("screen.png").string,
    ])
    #expect(verified.status == 0, "\(verified.errors)")
    let picture = try Data(contentsOf: URL(fileURLWithPath: scratch.appending("screen.png").string))
    #expect(picture.starts(with: [0x89, 0x50, 0x4e, 0x47]))

    let session = try await ConsoleSession.run(
      image: out.appending("nixos.qcow2"), format: "qcow2", variables: out.appending("efi-vars.fd"),
      scratch: scratch, commands: Self.demoChecks, until: ConsoleChecks.ended)
    let missing = ConsoleChecks.missing(
      ["A1", "A25", "A26-root", "A26-alice", "A27", "A28", "A39"], in: session)
    #expect(missing.isEmpty, "\(missing): \(session.suffix(6000))")
  }

  private func checkManifest(in out: FilePath, system: String) async throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string))
    let manifest = try JSONDecoder().decode(Manifest.self, from: data)
    #expect(manifest.system == system)
    #expect(manifest.files.map(\.path) == ["efi-vars.fd", "nixos.img"])
    let log = try String(contentsOfFile: out.appending("log/build.json").string, encoding: .utf8)
    #expect(log.contains("\"installBootLoader\"") && log.contains("\"accelerator\""))
    #expect(log.contains("\"warnings\" : [\n\n  ]"), "\(log)")
    for file in manifest.files {
      let status = try FileManager.default.attributesOfItem(atPath: out.appending(file.path).string)
      #expect(status[.size] as? UInt64 == file.size)
      let sum = try await SubprocessRunner().run("sha256sum", out.appending(file.path).string)
      #expect(sum.hasPrefix(file.sha256), "\(file.path)")
    }
  }

  private func digests(of out: FilePath) async throws -> String {
    try await SubprocessRunner().run(
      "sha256sum", out.appending("nixos.img").string, out.appending("efi-vars.fd").string)
  }

  private func text(_ file: FilePath) throws -> String {
    try String(contentsOfFile: file.string, encoding: .utf8)
  }
}
