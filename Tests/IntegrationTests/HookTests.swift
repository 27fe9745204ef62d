import BuildPlan
import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Several formats, scripts, a channel and secrets.
@Suite(.virtualMachines, .serialized) struct HookTests {
  private let runner = SubprocessRunner()

  private func write(_ text: String, _ file: FilePath) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file.string))
  }

  /// One build for all of it.
  @Test func a27FormatsScriptsChannelAndSecretsInOneBuild() async throws {
    try await withScratchDirectory { scratch in
      try await TestChannel.with(scratch: scratch) { try await build(with: $0, in: scratch) }
    }
  }

  private func build(with channel: String, in scratch: FilePath) async throws {
    let secret = "secret-" + UUID().uuidString
    let (out, key) = (scratch.appending("r"), scratch.appending("key"))
    try write(secret, key)
    try await runner.run("chmod", "0644", key.string)
    try write("test -d \"$out\"; ! test -e nixos.img; echo pre-$((6 * 7)) > pre", scratch.appending("pre"))
    try write("mkdir -p /srv; echo post-$((6 * 7)) > /srv/made; id", scratch.appending("install"))
    try write(
      """
      cp "$efiVars" copy.fd
      test "$diskImage" = "$out/nixos.qcow2"
      printf mark | dd of=nixos.img bs=1 seek=440 conv=notrunc status=none
      cat nix-support/hydra-build-products > listed
      """, scratch.appending("post"))
    let built = try await SlipwayCommand.run([
      "build", "--system", try await TestSystem.path("tiny"), "--out", out.string,
      "--format", "qcow2", "--format", "raw", "--format", "vmdk", "--format", "raw.zst",
      "--copy-channel", channel, "--extra-file", "\(key):/var/lib/key", "--progress", "json",
      "--pre-vm", scratch.appending("pre").string, "--post-install", scratch.appending("install").string,
      "--post-vm", scratch.appending("post").string,
    ])
    try #require(built.status == 0, "\(built.errors)")
    try await checkFolder(out)
    #expect(!(built.output + built.errors).contains(secret))
    for text in ["manifest.json", "log/console.log"] {
      #expect(!(try String(contentsOfFile: out.appending(text).string, encoding: .utf8)).contains(secret))
    }
    let mode = try FileManager.default.attributesOfItem(atPath: out.string)[.posixPermissions] as? Int
    #expect(mode == 0o700)

    let verified = try await SlipwayCommand.run(["verify", out.string, "--format", "raw.zst"])
    #expect(verified.status == 0, "\(verified.errors)")
    let session = try await ConsoleSession.run(
      image: out.appending("nixos.vmdk"), format: "vmdk", variables: out.appending("efi-vars.fd"),
      scratch: scratch,
      commands: [
        "stat -c '%A %u %g' /var/lib/key /root/.nix-defexpr; cat /var/lib/key /srv/made",
        "readlink -f /root/.nix-defexpr/channels; cat /root/.nix-defexpr/channels/nixos/default.nix",
        "echo done-$((6 * 7))",
      ], until: "done-42")
    #expect(session.contains("-rw------- 0 0"), "\(session.suffix(2000))")
    #expect(session.contains("drwx------ 0 0"))
    #expect(session.contains(secret))
    #expect(session.contains("post-42"))
    #expect(session.contains(channel))
    #expect(session.contains("answer = 42"))
  }

  private func checkFolder(_ out: FilePath) async throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string))
    let manifest = try JSONDecoder().decode(Manifest.self, from: data)
    #expect(manifest.images.map(\.file) == ["nixos.qcow2", "nixos.img", "nixos.vmdk", "nixos.img.zst"])
    let files = [
      "copy.fd", "efi-vars.fd", "listed", "nixos.img", "nixos.img.zst", "nixos.qcow2", "nixos.vmdk", "pre",
    ]
    #expect(manifest.files.map(\.path) == files)
    for file in manifest.files {
      let digest = try await runner.run("sha256sum", out.appending(file.path).string).prefix(64)
      #expect(digest == file.sha256, "\(file.path)")
    }
    // What the scripts say is theirs; how long they took is in the log.
    #expect(
      [manifest.spec.preVM, manifest.spec.postInstall, manifest.spec.postVM].allSatisfy {
        $0?.hasPrefix("sha256:") == true
      })
    let log = try String(contentsOfFile: out.appending("log/build.json").string, encoding: .utf8)
    for step in ["preVM", "runScript", "postVM"] { #expect(log.contains("\"name\" : \"\(step)\"")) }
    let lines = try String(contentsOfFile: out.appending("listed").string, encoding: .utf8)
    #expect(lines.contains("file vmdk-image \(out)/nixos.vmdk\n"))
    #expect(lines.split(separator: "\n").count == 4)
    // The mark that postVM made is the only difference between the formats.
    let (image, copy) = (out.appending("nixos.img").string, out.string + "-copy.img")
    try await runner.run("cp", "--sparse=always", image, copy)
    try await runner.run(
      "dd", "if=/dev/zero", "of=\(copy)", "bs=1", "seek=440", "count=4", "conv=notrunc", "status=none")
    for file in ["nixos.qcow2", "nixos.vmdk"] {
      try await runner.run("qemu-img", "compare", "-f", "raw", copy, out.appending(file).string)
    }
  }

  @Test func aFailingPostInstallLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      try write("echo reason\nfalse\n", scratch.appending("script"))
      let result = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", scratch.appending("r").string,
        "--post-install", scratch.appending("script").string,
      ])
      #expect(result.status == 1)
      #expect(result.cause.contains("postInstall failed"), "\(result.errors)")
      #expect(result.errors.contains("reason"))
      #expect(try await leftovers(in: scratch, besides: ["script"]).isEmpty)
    }
  }

  @Test(arguments: [
    ("echo reason; exit 3", "exited with status 3"), ("echo reason; echo $(misspelt 2)", "'misspelt'"),
  ])
  func aFailingPostVMLeavesNothing(script: String, cause: String) async throws {
    try await withScratchDirectory { scratch in
      try write(script, scratch.appending("script"))
      let result = try await SlipwayCommand.run([
        "build", "--only-nix-store", "--system", try await TestSystem.path("tiny"),
        "--out", scratch.appending("r").string, "--format", "vhdx", "--format", "raw",
        "--post-vm", scratch.appending("script").string,
      ])
      #expect(result.status == 1)
      #expect(result.cause.contains("postVM"), "\(result.errors)")
      #expect(result.cause.contains(cause), "\(result.errors)")
      // A misspelt name is the whole reason.
      #expect(result.errors.contains("| reason") == cause.contains("status"), "\(result.errors)")
      #expect(try await leftovers(in: scratch, besides: ["script"]).isEmpty)
    }
  }

  /// As the modules of Azure, Hyper-V, Linode and VMware do.
  @Test func aPostVMThatTakesTheImageAwayLeavesItsOwn() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      try write("gzip -c $diskImage > $out/nixos.gz; rm $diskImage", scratch.appending("script"))
      let result = try await SlipwayCommand.run([
        "build", "--only-nix-store", "--system", try await TestSystem.path("tiny"), "--out", out.string,
        "--post-vm", scratch.appending("script").string,
      ])
      try #require(result.status == 0, "\(result.errors)")
      let data = try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string))
      let manifest = try JSONDecoder().decode(Manifest.self, from: data)
      #expect(manifest.images.isEmpty && manifest.files.map(\.path) == ["nixos.gz"])
      let verified = try await SlipwayCommand.run(["verify", out.string])
      #expect(verified.status == 2)
    }
  }

  /// Nothing of how long a build took, or on what machine, is in the manifest.
  @Test func twoManifestsOfOneImageAreEqual() async throws {
    try await withScratchDirectory { scratch in
      var manifests: [Data] = []
      for name in ["a", "b"] {
        let out = scratch.appending(name)
        let result = try await SlipwayCommand.run([
          "build", "--only-nix-store", "--system", try await TestSystem.path("tiny"), "--out", out.string,
        ])
        try #require(result.status == 0, "\(result.errors)")
        manifests.append(try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string)))
      }
      #expect(manifests[0] == manifests[1])
    }
  }
}
