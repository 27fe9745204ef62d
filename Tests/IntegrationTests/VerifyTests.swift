import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// `slipway verify` of chosen boots, and of images that are broken on purpose.
@Suite(.virtualMachines, .serialized) struct VerifyTests {
  private static let sweeps = ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] != nil

  private func verify(_ folder: FilePath, _ flags: [String]) async throws -> SlipwayCommand.Result {
    try await SlipwayCommand.run(["verify", folder.string] + flags)
  }

  /// An image of `tiny` on an ESP with its loader, whose disk and variables a test may break.
  private func built(_ scratch: FilePath, of name: String = "tiny", _ flags: [String] = []) async throws
    -> FilePath
  {
    let out = scratch.appending("r")
    let built = try await SlipwayCommand.run(
      [
        "build", "--system", try await TestSystem.path(name), "--additional-space", "16M", "--out",
        out.string,
      ]
        + flags)
    try #require(built.status == 0, "\(built.errors)")
    return out
  }

  @Test(
    "every entry boots, is proven from inside, and is reported",
    arguments: [(["tiny", "tiny-b"], "efi", 4)]
      + (sweeps ? [(["uki"], "efi", 2), (["grub-efi"], "efi", 4)] : []))
  func everyEntryBoots(names: [String], table: String, count: Int) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      var systems: [String] = []
      for name in names { systems.append(try await TestSystem.path(name)) }
      let built = try await SlipwayCommand.run(
        ["build", "--partition-table-type", table, "--additional-space", "32M", "--out", out.string]
          + systems.flatMap { ["--system", $0] })
      try #require(built.status == 0, "\(built.errors)")
      let digest = try await SubprocessRunner().run("sha256sum", out.appending("nixos.img").string)

      let report = scratch.appending("junit.xml")
      let verified = try await verify(out, ["--all", "--json", "--junit", report.string])
      let result = try JSONDecoder().decode(VerifyResult.self, from: Data(verified.output.utf8))
      #expect(verified.status == 0 && result.isPassed && result.boots.count == count, "\(verified.errors)")
      let booted = Set(result.boots.compactMap(\.booted?.system))
      #expect(booted.isSuperset(of: systems))
      for boot in result.boots {
        let system = try #require(boot.booted?.system)
        #expect(boot.booted?.commandLine.contains("init=\(system)/init") == true)
        let isVerbose = boot.booted?.commandLine.contains("loglevel=7") == true
        #expect((boot.entry?.specialisation == "verbose") == isVerbose, "\(boot)")
      }
      let cases = try await SubprocessRunner().run(
        "python3", "-c",
        "import sys, xml.etree.ElementTree as t; print(len([c for c in t.parse(sys.argv[1]).iter('testcase') if c.find('failure') is None]))",
        report.string)
      #expect(cases.trimmingCharacters(in: .whitespacesAndNewlines) == "\(count)")
      #expect(try await SubprocessRunner().run("sha256sum", out.appending("nixos.img").string) == digest)
    }
  }

  @Test func aSystemRebootsAndSurvivesAPowerCutAndIsNotBroken() async throws {
    try await withScratchDirectory { scratch in
      let out = try await built(scratch)
      let rebooted = try await verify(out, ["--reboot", "--generation", "1", "--specialisation", "verbose"])
      #expect(rebooted.status == 0, "\(rebooted.errors)")
      #expect(rebooted.output.contains("second boot: up after"), "\(rebooted.output)")
      // Of the variables, what the boot loader keeps from boot to boot.
      #expect(rebooted.output.contains("EFI variables"), "\(rebooted.output)")
      let cut = try await verify(out, ["--cut-power-at", "Linux version|stage 1|EFI stub"])
      #expect(cut.status == 0 && cut.output.contains("second boot: up after"), "\(cut.errors)")
      let good = try await verify(out, ["--must-not-boot"])
      #expect(good.status == 1)
      #expect(good.errors.contains("the image booted, and must not"), "\(good.errors)")
    }
  }

  // MARK: - What does not boot

  /// A way to break an image, and what the console then says.
  struct Break: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// A shell script: `$1` is the disk, `$esp` and `$root` are where its partitions begin, in bytes.
    let script: String
    let cause: String
  }

  private static let breaks = [
    Break(
      testDescription: "an ESP that was wiped", script: #"mformat -i "$1@@$esp" ::"#,
      cause: "the firmware found nothing to boot"),
    Break(
      testDescription: "a kernel that is damaged",
      script:
        #"kernel=$(mdir -b -i "$1@@$esp" ::/EFI/nixos | grep linux | grep -v initrd) && mcopy -n -i "$1@@$esp" "$kernel" k && truncate -s 5000 k && mcopy -o -i "$1@@$esp" k "$kernel""#,
      cause: "Error loading"),
    Break(
      testDescription: "an initrd that is gone",
      script: #"mdel -i "$1@@$esp" "$(mdir -b -i "$1@@$esp" ::/EFI/nixos | grep initrd)""#, cause: "initrd"),
    Break(
      testDescription: "a root that no filesystem is",
      script: #"tune2fs -L other "$1?offset=$root""#,
      cause: "root"),
  ]

  @Test(arguments: sweeps ? breaks : [breaks[0]])
  func aBrokenImageIsSeenWithItsCause(way: Break) async throws {
    try await withScratchDirectory { scratch in
      let out = try await built(scratch, of: "tiny-notouch", ["--no-touch-efi-vars"])
      let disk = out.appending("nixos.img").string
      let script =
        #"cd "$2"; start() { sfdisk -d "$1" | sed -n "s/.*img$2 : start= *\([0-9]*\),.*/\1/p"; };"#
        + #" esp=$(($(start "$1" 1) * 512)); root=$(($(start "$1" 2) * 512)); "# + way.script
      try await SubprocessRunner().run("sh", "-euc", script, "sh", disk, scratch.string)
      let verified = try await verify(out, ["--must-not-boot", "--timeout", "120"])
      #expect(verified.status == 0, "\(verified.errors)")
      #expect(verified.output.contains("did not boot: "), "\(verified.output)")
      #expect(verified.output.contains(way.cause), "\(verified.output)")
      let failed = try await verify(out, ["--timeout", "120"])
      #expect(failed.status == 1 && failed.errors.contains("the image did not boot"), "\(failed.errors)")
    }
  }
}
