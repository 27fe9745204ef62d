import SystemPackage
import TestSupport
import Testing

/// Booted images whose systems install further generations by themselves, as `nixos-rebuild` makes them do.
@Suite(.virtualMachines, .serialized) struct GenerationTests {
  private static let profiles = "/nix/var/nix/profiles"

  /// Makes the system with this store path generation `number`, as `nix-env --profile … --set` does.
  private static func set(_ system: String, generation number: Int) -> String {
    "ln -s \(system) \(profiles)/system-\(number)-link; ln -sfn system-\(number)-link \(profiles)/system"
  }

  @Test(
    "A2 A7 A8 A13 A14 A28 A29 A30 A37: systemd-boot has an entry for each generation, and boots the current one"
  )
  func systemdBootKeepsGenerations() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let (first, second) = (try await TestSystem.path("tiny"), try await TestSystem.path("tiny-b"))
      let built = try await SlipwayCommand.run([
        "build", "--system", first, "--additional-paths", second, "--out", out.string,
        "--additional-space", "64M",
      ])
      try #require(built.status == 0, "\(built.errors)")

      let entries = "/boot/loader/entries"
      let isFirst = "! grep -q generation=b /proc/cmdline"
      let commands = [
        ConsoleChecks.definition,
        "mount -t efivarfs none /sys/firmware/efi/efivars",
        ConsoleChecks.check(
          "A2", "ls /sys/firmware/efi/efivars/LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"),
        "entry=$(grep -l -x 'title NixOS' \(entries)/*.conf)",
        ConsoleChecks.check(
          "A7", "grep -q \"^version Generation 1 NixOS\" $entry && grep -q -x \"sort-key nixos\" $entry"),
        "entry=$(grep -l -x 'title NixOS (verbose)' \(entries)/*.conf)",
        ConsoleChecks.check("A8", "grep -q loglevel=7 $entry && grep -q -x \"sort-key nixos\" $entry"),
        ConsoleChecks.check("A28", "[ $(stat -c %a%u%g /root)-$(stat -c %a%u%g /tmp) = 70000-177700 ]"),
        ConsoleChecks.check(
          "A37", "[ ! -s /etc/machine-id ] && ! ls /etc/ssh/ssh_host* /var/lib/systemd/random-seed"),
        "sum() { (cd /boot; find . -type f ! -name random-seed | sort | xargs sha256sum); }; before=$(sum)",
        ConsoleChecks.check(
          "A29",
          "NIXOS_INSTALL_BOOTLOADER=1 \(first)/bin/switch-to-configuration boot && [ \"$(sum)\" = \"$before\" ]"
        ),
        Self.set(second, generation: 2),
        ConsoleChecks.check(
          "A30-switch",
          "\(second)/bin/switch-to-configuration switch && [ $(readlink /run/current-system) = \(second) ]"),
        ConsoleChecks.check("A30-boot", "\(second)/bin/switch-to-configuration boot"),
        ConsoleChecks.reboot,
        ConsoleChecks.definition,
        ConsoleChecks.check("A30-reboot", "grep -q generation=b /proc/cmdline"),
        "ln -sfn system-1-link \(Self.profiles)/system",
        "\(Self.profiles)/system/bin/switch-to-configuration boot",
        "entry=\(entries)/$(sed -n 's/^default //p' /boot/loader/loader.conf)",
        ConsoleChecks.check(
          "A14-default",
          "grep -q \"^version Generation 1 \" $entry && grep -q \"^version Generation 2 \" \(entries)/*"),
        ConsoleChecks.reboot,
        ConsoleChecks.definition,
        ConsoleChecks.check("A14-reboot", isFirst),
        "rm \(Self.profiles)/system-2-link",
        "\(Self.profiles)/system/bin/switch-to-configuration boot",
        ConsoleChecks.check(
          "A13",
          "! grep \"^version Generation 2 \" \(entries)/* && grep -q \"^version Generation 1 \" \(entries)/*"),
        "kernel=$(sed -n 's/^linux //p' \(entries)/*.conf | head -n 1)",
        ConsoleChecks.check("A13-kernel", "[ -s /boot$kernel ]"),
        ConsoleChecks.end,
      ]
      let shown = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch, commands: commands, until: ConsoleChecks.ended)
      let missing = ConsoleChecks.missing(
        [
          "A2", "A7", "A8", "A28", "A29", "A37", "A30-switch", "A30-boot", "A30-reboot", "A14-default",
          "A14-reboot",
          "A13", "A13-kernel",
        ], in: shown)
      #expect(missing.isEmpty, "\(missing): \(shown.suffix(6000))")
    }
  }

  @Test("A31: GRUB boots a specialisation once, and installs itself again")
  func grubBootsASpecialisationOnce() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("grub-bios"), "--partition-table-type", "legacy",
        "--out", out.string, "--additional-space", "32M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let install = "NIXOS_INSTALL_BOOTLOADER=1 \(Self.profiles)/system/bin/switch-to-configuration boot"
      let shown = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: nil, scratch: scratch,
        commands: [
          ConsoleChecks.definition,
          ConsoleChecks.check(
            "A31-default", "[ -s /boot/grub/grub.cfg ] && ! grep -q loglevel=7 /proc/cmdline"),
          "\(install) > /tmp/log 2>&1",
          ConsoleChecks.check(
            "A31-install",
            "grep -q \"updating GRUB 2 menu...\" /tmp/log && grep -q \"No error reported\" /tmp/log"),
          "grub-editenv /boot/grub/grubenv create; grub-editenv /boot/grub/grubenv set next_entry=1",
          ConsoleChecks.reboot,
          ConsoleChecks.definition,
          ConsoleChecks.check("A31-specialisation", "grep -q loglevel=7 /proc/cmdline"),
          ConsoleChecks.reboot,
          ConsoleChecks.definition,
          ConsoleChecks.check("A31-once", "! grep -q loglevel=7 /proc/cmdline"),
          ConsoleChecks.end,
        ], until: ConsoleChecks.ended)
      let missing = ConsoleChecks.missing(
        ["A31-default", "A31-install", "A31-specialisation", "A31-once"], in: shown)
      #expect(missing.isEmpty, "\(missing): \(shown.suffix(6000))")
    }
  }
}
