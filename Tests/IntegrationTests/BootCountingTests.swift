import Foundation
import SystemPackage
import TestSupport
import Testing

/// Entries that systemd-boot counts the attempts of (UAPI.1, "Boot counting").
@Suite(.virtualMachines, .sweep, .serialized) struct BootCountingTests {
  private static let entries = "/boot/loader/entries"
  private static let loaderVariables = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

  @Test("A15: after three boots that failed, systemd-boot falls back to the generation before")
  func systemdBootFallsBack() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let good = try await TestSystem.path("tiny-counted")
      let panics = try await TestSystem.path("tiny-counted-panic")
      let built = try await SlipwayCommand.run([
        "build", "--system", good, "--system", panics, "--out", out.string, "--additional-space", "16M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let boot = scratch.appending("boot")
      try await DiskImage(out.appending("nixos.img")).copyBoot(isESP: true, to: boot, scratch: scratch)
      let entries = try FileManager.default.contentsOfDirectory(atPath: "\(boot)/loader/entries")
      #expect(entries.sorted() == ["nixos-generation-1+3.conf", "nixos-generation-2+3.conf"])

      let shown = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch,
        commands: [
          ConsoleChecks.definition,
          ConsoleChecks.check("booted", "[ $(readlink /run/booted-system) = \(good) ]"),
          // The generation that failed has no tries left, and the one that runs has one less.
          ConsoleChecks.check(
            "counters",
            "[ \"$(cd \(Self.entries); echo *)\" = \"nixos-generation-1+2-1.conf nixos-generation-2+0-3.conf\" ]"
          ),
          ConsoleChecks.check(
            "told",
            "tr -d \"\\\\000\" </sys/firmware/efi/efivars/LoaderBootCountPath-\(Self.loaderVariables) | grep -q generation-1+2-1.conf"
          ),
          // As a program would do that finds the boot good.
          "mv \(Self.entries)/nixos-generation-1+2-1.conf \(Self.entries)/nixos-generation-1.conf",
          ConsoleChecks.check(
            "kept",
            "/nix/var/nix/profiles/system/bin/switch-to-configuration boot && [ \"$(cd \(Self.entries); echo *)\" = \"nixos-generation-1.conf nixos-generation-2+0-3.conf\" ]"
          ),
          ConsoleChecks.reboot,
          ConsoleChecks.definition,
          ConsoleChecks.check(
            "good-boots-again",
            "[ $(readlink /run/booted-system) = \(good) ] && [ -e \(Self.entries)/nixos-generation-1.conf ]"),
          // By the pattern that takes an entry whatever its counters, it is started once more, and panics.
          "bootctl set-oneshot 'nixos-generation-2[+.]*conf'",
          ConsoleChecks.reboot,
          ConsoleChecks.definition,
          ConsoleChecks.check(
            "once",
            "[ -e \(Self.entries)/nixos-generation-2+0-4.conf ] && [ $(readlink /run/booted-system) = \(good) ]"
          ),
          ConsoleChecks.end,
        ], until: ConsoleChecks.ended)
      let missing = ConsoleChecks.missing(
        ["booted", "counters", "told", "kept", "good-boots-again", "once"], in: shown)
      #expect(missing.isEmpty, "\(missing): \(shown.suffix(6000))")
      #expect(shown.split(separator: "Kernel panic - not syncing: sysrq triggered crash").count == 5)
    }
  }
}
