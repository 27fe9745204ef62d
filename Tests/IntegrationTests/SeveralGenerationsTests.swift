import BuildPlan
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Images with several generations, each installed by its own program.
@Suite(.virtualMachines, .serialized) struct SeveralGenerationsTests {
  private static let profiles = "/nix/var/nix/profiles"
  private static let entries = "/boot/loader/entries"

  private func systems(_ names: [String]) async throws -> [String] {
    var paths: [String] = []
    for name in names { paths.append(try await TestSystem.path(name)) }
    return paths
  }

  private func build(_ systems: [String], to out: FilePath, _ flags: [String]) async throws {
    let built = try await SlipwayCommand.run(
      ["build", "--out", out.string, "--additional-space", "32M"] + systems.flatMap { ["--system", $0] }
        + flags)
    try #require(built.status == 0, "\(built.errors)")
  }

  private typealias Check = (name: String, condition: String)

  /// Expects of a booted image that its profile has these systems, and that checks hold, the late ones after further commands.
  private func expect(
    _ checks: [Check], of out: FilePath, generations systems: [String], profile: String = "system",
    variables: Bool = true, in scratch: FilePath, then more: [String] = [], late: [Check] = []
  ) async throws {
    func typed(_ checks: [Check]) -> [String] { checks.map { ConsoleChecks.check($0.name, $0.condition) } }
    var checks = checks
    for (number, system) in zip(1..., systems) {
      let link = "\(Self.profiles)/\(profile)-\(number)-link"
      checks.append(("link-\(number)", "[ $(readlink \(link)) = \(system) ]"))
    }
    let shown = try await ConsoleSession.run(
      image: out.appending("nixos.img"), format: "raw",
      variables: variables ? out.appending("efi-vars.fd") : nil, scratch: scratch,
      commands: [ConsoleChecks.definition] + typed(checks) + more + typed(late) + [ConsoleChecks.end],
      until: ConsoleChecks.ended)
    let missing = ConsoleChecks.missing((checks + late).map(\.name), in: shown)
    #expect(missing.isEmpty, "\(missing): \(shown.suffix(6000))")
  }

  /// As after a rollback. The two builds work on machines of different sizes.
  @Test(
    "A13 A14: systemd-boot has an entry for each generation, the chosen one is the default, a dropped one goes"
  )
  func systemdBootBootsTheChosenOne() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let systems = try await systems(["tiny", "tiny-b", "tiny-c"])
      try await build(systems, to: out, ["--current-generation", "2", "--check-reproducible", "--verify"])

      let manifest = try JSONDecoder().decode(
        Manifest.self, from: Data(contentsOf: URL(filePath: out.appending("manifest.json").string)))
      #expect(manifest.generations?.systems == systems && manifest.generations?.current == 2)
      #expect(manifest.system == systems[1] && manifest.sealed)

      try await expect(
        [
          (
            "booted",
            "[ $(readlink /run/booted-system) = \(systems[1]) ] && grep -q generation=b /proc/cmdline"
          ),
          ("profile", "[ $(readlink \(Self.profiles)/system) = system-2-link ]"),
          ("default", "grep -q -x \"default nixos-generation-2.conf\" /boot/loader/loader.conf"),
          ("entries", "[ $(ls \(Self.entries) | grep -c ^nixos-generation) = 6 ]"),
          ("initrd-c", "[ -e /boot$(sed -n \"s/^initrd //p\" \(Self.entries)/nixos-generation-3.conf) ]"),
          // Kernels are shared by their names.
          ("kernels", "[ $(sed -n \"s/^linux //p\" \(Self.entries)/*.conf | sort -u | wc -l) = 1 ]"),
        ], of: out, generations: systems, in: scratch,
        then: [
          "initrd=/boot$(sed -n 's/^initrd //p' \(Self.entries)/nixos-generation-3.conf)",
          "rm \(Self.profiles)/system-3-link; \(Self.profiles)/system/bin/switch-to-configuration boot",
        ],
        late: [
          ("dropped", "[ ! -e $initrd ] && [ $(ls \(Self.entries) | grep -c ^nixos-generation) = 4 ]"),
          ("kept", "grep -q -x \"default nixos-generation-2.conf\" /boot/loader/loader.conf"),
        ])
    }
  }

  @Test("GRUB's menu has each generation, and the last one is the default")
  func grubBootsTheLastOne() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let systems = try await systems(["grub-bios", "grub-bios-b"])
      try await build(systems, to: out, ["--partition-table-type", "legacy", "--verify"])
      try await expect(
        [
          ("booted", "[ $(readlink /run/booted-system) = \(systems[1]) ]"),
          ("menu", "[ $(grep -c \"Configuration [12] (\" /boot/grub/grub.cfg) = 2 ]"),
          ("profile", "[ $(readlink \(Self.profiles)/system) = system-2-link ]"),
        ], of: out, generations: systems, variables: false, in: scratch)
    }
  }

  /// From entries to a unified kernel image, and from GRUB to systemd-boot.
  @Test(.sweep, arguments: [["tiny", "uki"], ["grub-efi", "tiny-b"]])
  func aLaterGenerationBringsAnotherBootLoader(names: [String]) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let systems = try await systems(names)
      try await build(systems, to: out, ["--verify"])
      try await expect(
        [
          ("booted", "[ $(readlink /run/booted-system) = \(systems[1]) ]"),
          ("entry-1", "grep -q init=\(systems[0])/init \(Self.entries)/*.conf"),
        ], of: out, generations: systems, in: scratch)
    }
  }

  @Test(.sweep) func aFurtherProfileHasItsGenerations() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let systems = try await systems(["tiny", "tiny-b"])
      try await build(systems, to: out, ["--profile", "test", "--current-generation", "1", "--verify"])
      let profile = "system-profiles/test"
      try await expect(
        [
          ("booted", "[ $(readlink /run/booted-system) = \(systems[0]) ]"),
          ("profile", "[ $(readlink \(Self.profiles)/\(profile)) = test-1-link ]"),
          ("entry", "grep -q -x \"title NixOS .test.\" \(Self.entries)/nixos-test-generation-2.conf"),
        ], of: out, generations: systems, profile: profile, in: scratch)
    }
  }

  @Test func oneSystemTwiceIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let tiny = try await TestSystem.path("tiny")
      let planned = try await SlipwayCommand.run(["plan", "--system", tiny, "--system", tiny])
      #expect(planned.status == 2)
      #expect(planned.errors.contains("generations 1 and 2 are one system, \(tiny)"), "\(planned.errors)")
      let kernel = try #require(
        try FileManager.default.destinationOfSymbolicLink(atPath: "\(tiny)/kernel").split(separator: "/")
          .dropLast().last)
      let other = try await SlipwayCommand.run(["plan", "--system", tiny, "--system", "/nix/store/\(kernel)"])
      #expect(other.status == 2)
      #expect(other.errors.contains("it has no 'init'"), "\(other.errors)")
    }
  }
}
