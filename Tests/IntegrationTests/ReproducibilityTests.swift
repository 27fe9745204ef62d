import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// `build --check-reproducible`: machines of two sizes, folders of two names.
@Suite(.virtualMachines, .serialized) struct ReproducibilityTests {
  private func build(
    _ words: [String], of system: String = "tiny", in scratch: FilePath
  ) async throws -> SlipwayCommand.Result {
    let system = try await TestSystem.path(system)
    return try await SlipwayCommand.run(
      ["build", "--system", system, "--out", scratch.appending("r").string, "--check-reproducible"] + words)
  }

  private func script(_ text: String, in scratch: FilePath) throws -> String {
    let file = scratch.appending("script").string
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// What the rules know is written in another order, and with other content, each time.
  @Test func aSystemThatShufflesItsAccountsIsTheSameTwice() async throws {
    try await withScratchDirectory { scratch in
      let file = try script(
        """
        order=$(head -c 1 /dev/urandom | od -An -tu1)
        if [ $((order % 2)) = 0 ]; then a=1 b=2; else a=2 b=1; fi
        printf 'u%s:!:1::::::\\n' $a $b >> /etc/shadow
        printf 'u%s:%s00000:65536\\n' $a $a $b $b > /etc/subuid
        mkdir -p /var/lib/nixos /var/lib/systemd /etc/ssh
        printf '{"u%s":%s,"u%s":%s}' $a $a $b $b > /var/lib/nixos/auto-subuid-map
        for file in /etc/machine-id /etc/ssh/ssh_host_rsa_key /var/lib/systemd/random-seed; do
          head -c 32 /dev/urandom > $file
        done
        """, in: scratch)
      let built = try await build(["--post-install", file, "--format", "qcow2"], in: scratch)
      try #require(built.status == 0, "\(built.errors)")
      #expect(built.output.contains("built twice, with the same bytes"))
      let out = scratch.appending("r")
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: out.string).sorted()
          == ["efi-vars.fd", "log", "manifest.json", "nix-support", "nixos.qcow2"])
      let verified = try await SlipwayCommand.run(["verify", out.string])
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  /// Nix has turned the database to its log, and numbered and dated what it registered.
  @Test func whatTheInstallationRegistersIsKeptAndTheSameTwice() async throws {
    try await withScratchDirectory { scratch in
      let file = try script(
        "for name in $(shuf -e a b c d); do echo $name > /tmp/$name; nix-store --add /tmp/$name; done",
        in: scratch)
      let built = try await build(["--post-install", file], of: "demo", in: scratch)
      try #require(built.status == 0, "\(built.errors)")
      let image = scratch.appending("r/nixos.img")
      let root = try await DiskImage(image).partitions()[1]
      let database = scratch.appending("db").string
      let runner = SubprocessRunner()
      try await runner.run(
        "debugfs", "-R", "dump /nix/var/nix/db/db.sqlite \(database)", "\(image)?offset=\(root.start * 512)")
      let query = """
        import sqlite3, sys
        rows = sqlite3.connect(sys.argv[1]).execute(
          "SELECT substr(path, 45), registrationTime FROM ValidPaths WHERE length(path) = 45 ORDER BY id")
        print(sorted(rows))
        """
      #expect(
        try await runner.run("python3", "-c", query, database) == "[('a', 1), ('b', 1), ('c', 1), ('d', 1)]")
    }
  }

  @Test func whatIsLeftToChanceIsNamedAndNothingIsKept() async throws {
    try await withScratchDirectory { scratch in
      let file = try script("mkdir -p /srv; head -c 8 /dev/urandom > /srv/chance; : > /srv/same", in: scratch)
      let built = try await build(["--post-install", file], in: scratch)
      #expect(built.status == 1)
      #expect(built.cause == "slipway: the image is not reproducible: a second build has another nixos.img")
      #expect(
        built.errors.contains("  /srv/chance: content\n") && !built.errors.contains("/srv/same"),
        "\(built.errors)")
      #expect(try await leftovers(in: scratch, besides: ["script", "r.failed.log"]).isEmpty)
    }
  }
}
