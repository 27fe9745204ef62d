import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Images of a Nix store alone, which start no machine.
@Suite(.virtualMachines, .serialized) struct StoreImageTests {
  private let runner = SubprocessRunner()

  /// Builds where no QEMU can be started.
  private func build(_ arguments: [String], in scratch: FilePath) async throws -> FilePath {
    let hypervisor = try FakeHypervisor(in: scratch)
    let out = scratch.appending("r")
    let system = try await TestSystem.path("tiny")
    let built = try await SlipwayCommand.run(
      ["build", "--only-nix-store", "--system", system, "--out", out.string, "--force"] + arguments,
      environment: hypervisor.environment)
    try #require(built.status == 0, "\(built.errors)")
    #expect(!hypervisor.wasStarted)
    return out
  }

  @Test(arguments: ["none", "legacy", "legacy+boot", "legacy+gpt", "efi", "efixbootldr", "hybrid"])
  func everyTableHoldsAStore(table: String) async throws {
    try await withScratchDirectory { scratch in
      let out = try await build(
        ["--partition-table-type", table, "--additional-space", "16M"], in: scratch)
      let image = DiskImage(out.appending("nixos.img"))
      var store = image.file
      if table != "none" {
        try await runner.run("sfdisk", "--verify", image.file.string)
        let last = try await image.partitions().count - 1
        store = try await image.carve(last, to: scratch.appending("store"))
      }
      try await runner.run("e2fsck", "-fn", store.string)
      let superblock = try await runner.run("dumpe2fs", "-h", store.string)
      #expect(superblock.contains("nix-store"))
      let names = try await runner.run("debugfs", "-R", "ls -p /", store.string)
      let system = try await TestSystem.path("tiny")
      #expect(names.contains(system.dropFirst("/nix/store/".count)))
      #expect(names.contains("nix-path-registration"))
      #expect(!FileManager.default.fileExists(atPath: out.appending("efi-vars.fd").string))
    }
  }

  @Test(arguments: [
    ("qcow2", "qcow2"), ("qcow2-compressed", "qcow2"), ("vdi", "vdi"), ("vpc", "vhd"), ("vhdx", "vhdx"),
  ])
  func everyFormatHoldsTheSameBytes(format: String, suffix: String) async throws {
    try await withScratchDirectory { scratch in
      let options = ["--partition-table-type", "none", "--additional-space", "0"]
      let raw = try await build(options, in: scratch).appending("nixos.img").string
      let kept = scratch.appending("raw.img").string
      try FileManager.default.moveItem(atPath: raw, toPath: kept)
      let out = try await build(options + ["--format", format], in: scratch)
      let image = out.appending("nixos.\(suffix)").string
      try await runner.run("qemu-img", "compare", kept, image)
    }
  }

  /// One build, each file held against the raw disk of it by another program than wrote it, where there is one.
  @Test func theFormatsOfCloudsAreOneDisk() async throws {
    try await withScratchDirectory { scratch in
      let formats = ["raw.tar.gz", "vpc-fixed", "vmdk-stream", "raw"]
      let out = try await build(
        ["--partition-table-type", "legacy+gpt"] + formats.flatMap { ["--format", $0] }, in: scratch)
      let raw = out.appending("nixos.img").string
      #expect(try await runner.run("stat", "-c", "%s", raw) == "\(1 << 30)")
      let member = scratch.appending("disk.raw").string
      try await runner.run("tar", "-xzf", out.appending("nixos.raw.tar.gz").string, "-C", scratch.string)
      try await runner.run("cmp", raw, member)
      let fixed = out.appending("nixos.vhd").string
      #expect(try await runner.run("stat", "-c", "%s", fixed) == "\(1 << 30 + 512)")
      try await runner.run("cmp", "-n", "\(1 << 30)", raw, fixed)
      try await runner.run("qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, fixed)
      try await runner.run(
        "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, out.appending("nixos.vmdk").string)
      let data = try Data(contentsOf: URL(fileURLWithPath: out.appending("manifest.json").string))
      let manifest = try JSONDecoder().decode(Manifest.self, from: data)
      #expect(Set(manifest.tools.keys).isSuperset(of: ["gzip", "qemu-img", "tar"]))
      let products = try String(
        contentsOfFile: out.appending("nix-support/hydra-build-products").string, encoding: .utf8)
      let types = products.split(separator: "\n").map { $0.split(separator: " ")[1] }
      #expect(types == ["raw-tar-gz-image", "vpc-image", "vmdk-image", "raw-image"])
    }
  }

  @Test func twoBuildsAreTheSameBytes() async throws {
    try await withScratchDirectory { scratch in
      func digest() async throws -> String {
        let image = try await build(["--additional-space", "8M"], in: scratch).appending("nixos.img")
        return try await runner.run("sha256sum", image.string)
      }
      let first = try await digest()
      let second = try await digest()
      #expect(first == second)
    }
  }

  @Test(arguments: ["squashfs", "erofs"])
  func readOnlyStoresAreMadeByTheirTools(kind: String) async throws {
    try await withScratchDirectory { scratch in
      let out = try await build(
        ["--fs-type", kind, "--partition-table-type", "legacy+gpt", "--format", "raw"], in: scratch)
      let store = try await DiskImage(out.appending("nixos.img")).carve(1, to: scratch.appending("store"))
      let system = try await TestSystem.path("tiny")
      let name = String(system.dropFirst("/nix/store/".count))
      if kind == "squashfs" {
        let listed = try await runner.run("unsquashfs", "-lln", "-d", "", store.string)
        #expect(listed.contains("/\(name)/init"))
        let registration = try await runner.run("unsquashfs", "-cat", store.string, "nix-path-registration")
        #expect(registration.contains(system))
      } else {
        try await runner.run("fsck.erofs", store.string)
        let listed = try await runner.run("dump.erofs", "--path=/\(name)/init", store.string)
        #expect(listed.contains("init"))
        try await runner.run("dump.erofs", "--path=/nix-path-registration", store.string)
      }
      #expect(try await leftovers(in: scratch, besides: ["r", "store", "tools"]).isEmpty)
    }
  }

  /// Two chroot stores, made by Nix itself; one is as `nix-store --optimise` leaves it.
  @Test func anOptimisedStoreAndAPlainOneGiveTheSameImage() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      let closure = try await runner.run("nix-store", "--query", "--requisites", system)
      let script = """
        cd "$1"; shift
        for store in plain optimised; do
          nix-store --export "$@" | nix-store --import --store "local?root=$PWD/$store" >/dev/null
        done
        nix-store --optimise --store "local?root=$PWD/optimised"
        """
      try await runner.run(
        Command(
          "bash",
          ["-euc", script, "bash", scratch.string] + closure.split(separator: "\n").map(String.init),
          environment: ["NIX_CONFIG": "build-users-group ="]))
      let linked = try await runner.run(
        "find", scratch.appending("optimised/nix/store").string, "-type", "f", "-links", "+2")
      #expect(!linked.isEmpty)
      for kind in ["ext4", "squashfs", "erofs"] {
        var digests: Set<Substring> = []
        for store in ["plain", "optimised"] {
          let out = scratch.appending("r")
          let built = try await SlipwayCommand.run([
            "build", "--only-nix-store", "--fs-type", kind, "--system", "\(scratch)/\(store)\(system)",
            "--out", out.string, "--force",
          ])
          try #require(built.status == 0, "\(built.errors)")
          let digest = try await runner.run("sha256sum", out.appending("nixos.img").string)
          digests.insert(digest.prefix(64))
        }
        #expect(digests.count == 1, "\(kind)")
      }
      try await runner.run("chmod", "-R", "u+w", scratch.string)
    }
  }

  @Test func aStoreThatDoesNotFitIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      let result = try await SlipwayCommand.run([
        "build", "--only-nix-store", "--system", system, "--out", scratch.appending("r").string,
        "--partition-table-type", "none", "--disk-size", "20M",
      ])
      #expect(result.status == 2)
      #expect(result.cause.contains("diskSize"), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }
}
