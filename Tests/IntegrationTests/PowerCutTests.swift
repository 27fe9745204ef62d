import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Machines whose power is cut while they switch to their second generation.
@Suite(.virtualMachines, .sweep, .serialized) struct PowerCutTests {
  /// One image: its first system and the one in its store that is switched to, which has an initrd of its own.
  struct Cell: Sendable, CustomTestStringConvertible {
    let first: String
    let second: String
    let table: String
    var isEFI: Bool { table == "efi" }

    var testDescription: String { "\(second) after \(first)" }
  }

  private static let cells = [
    Cell(first: "tiny", second: "tiny-c", table: "efi"),
    Cell(first: "grub-bios", second: "grub-bios-c", table: "legacy"),
  ]

  /// How many times the power is cut, half of them by time and half by the switch's steps.
  private static let cuts = 10

  @Test(arguments: cells) func aGenerationBootsWhereverTheSwitchWasCut(cell: Cell) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let systems = [try await TestSystem.path(cell.first), try await TestSystem.path(cell.second)]
      let built = try await SlipwayCommand.run([
        "build", "--system", systems[0], "--additional-paths", systems[1], "--out", out.string,
        "--additional-space", "64M", "--partition-table-type", cell.table,
      ])
      try #require(built.status == 0, "\(built.errors)")
      let machine = Machine(image: out, isEFI: cell.isEFI, scratch: scratch)

      try await machine.renew()
      let whole = try await machine.run(TracedSwitch.commands(to: systems[1]), until: TracedSwitch.ended)
      let cuts = try #require(TracedSwitch(shown: whole)?.cuts(Self.cuts), "\(whole.suffix(6000))")
      var booted: [String: Int] = [:]
      var late = 0
      for cut in cuts {
        try await machine.renew()
        let shown = try await machine.run(TracedSwitch.commands(to: systems[1]), until: cut)
        #expect(cut.isReached(in: shown), "\(cut) never came: \(shown.suffix(6000))")
        if TracedSwitch.ended.isReached(in: shown) { late += 1 }
        let after = try await machine.run(checks(of: systems, cell), until: ConsoleChecks.ended)
        let missing = ConsoleChecks.missing(["booted", "kernel", "initrd", "entry"], in: after)
        #expect(missing.isEmpty, "\(cut): \(missing): \(shown.suffix(3000))\n\n\(after.suffix(6000))")
        let name = after.contains("/run/booted-system-is-second-42") ? cell.second : cell.first
        booted[name, default: 0] += 1
      }
      print(
        "\(cell.testDescription): \(cuts.count) cuts, \(late) of them after the switch; booted then: \(booted)"
      )
      #expect(late <= 1, "QEMU was not killed in time")
    }
  }

  /// Either generation runs, and the first still has its entry and its files.
  private func checks(of systems: [String], _ cell: Cell) -> [String] {
    let entry = cell.isEFI ? "/boot/loader/entries/nixos-generation-1.conf" : "/boot/grub/grub.cfg"
    let places =
      cell.isEFI
      ? [
        "kernel=/boot$(sed -n 's/^linux //p' \(entry))", "initrd=/boot$(sed -n 's/^initrd //p' \(entry))",
      ]
      : [
        "places=$(grep -A 1 init=\(systems[0])/init \(entry) | sed -n 's/.*(.drive1)\\([^ ]*\\).*/\\1/p')",
        "kernel=$(echo \"$places\" | sed -n 1p); initrd=$(echo \"$places\" | sed -n 2p)",
      ]
    return [ConsoleChecks.definition] + places + [
      "[ $(readlink /run/booted-system) != \(systems[1]) ] || echo /run/booted-system-is-second-$((6 * 7))",
      ConsoleChecks.check(
        "booted",
        "[ $(readlink /run/booted-system) = \(systems[0]) ] || [ $(readlink /run/booted-system) = \(systems[1]) ]"
      ),
      ConsoleChecks.check("kernel", "cmp $kernel \(systems[0])/kernel"),
      ConsoleChecks.check("initrd", "cmp $initrd \(systems[0])/initrd"),
      ConsoleChecks.check("entry", "grep -q init=\(systems[0])/init \(entry)"),
      ConsoleChecks.end,
    ]
  }
}

/// A disk that outlives the machine that has it.
private struct Machine {
  private let image: FilePath
  private let template: FilePath?
  private let disk: FilePath
  private let variables: FilePath?
  private let scratch: FilePath

  init(image out: FilePath, isEFI: Bool, scratch: FilePath) {
    image = out.appending("nixos.img")
    template = isEFI ? out.appending("efi-vars.fd") : nil
    disk = scratch.appending("disk.img")
    variables = isEFI ? scratch.appending("disk-vars.fd") : nil
    self.scratch = scratch
  }

  /// Makes the disk, and its firmware's variables, what was built.
  func renew() async throws {
    let runner = SubprocessRunner()
    try await runner.run("cp", "--sparse=always", image.string, disk.string)
    if let template, let variables { try await runner.run("cp", template.string, variables.string) }
  }

  /// Boots the disk as the session before left it.
  func run(_ commands: [String], until end: ConsoleSession.End) async throws -> String {
    try await ConsoleSession.run(
      image: disk, format: "raw", variables: variables, isCopy: false, scratch: scratch, commands: commands,
      until: end)
  }
}

/// A switch to generation 2 whose steps show on the console, each with its time: those of the scripts that are a system's
/// `switch-to-configuration` and its bootloader's program.
private struct TracedSwitch {
  /// Of each line, and of the switch's end, in seconds.
  private let times: [Double]

  private static let mark = "step-42 "
  static let ended: ConsoleSession.End = "switch-42"

  static func commands(to system: String) -> [String] {
    let profile = "/nix/var/nix/profiles/system"
    let stamp = "step-$((6 * 7)) ${EPOCHREALTIME} "
    let program = "\(system)/bin/switch-to-configuration"
    return [
      // The store is read-only: what traces itself is laid over each script.
      "traced() { sed '1s/$/ -x/' $1 >/run/$2; chmod +x /run/$2; mount -o bind /run/$2 $1; }",
      "traced $(sed -n 's/^\\(.nix.store[^ ]*\\) \"$toplevel\" 9>.*/\\1/p' \(program)) traced-loader",
      // What is written is on its way to the disk at once, and not only when the switch is at its end.
      "for age in writeback expire; do echo 10 >/proc/sys/vm/dirty_${age}_centisecs; done; mount -o remount,commit=1 /",
      "traced \(program) traced-switch; export PS4='\(stamp)'",
      "echo \"\(stamp)\"; ln -s \(system) \(profile)-2-link; ln -sfn system-2-link \(profile); echo \"\(stamp)\"; "
        + "\(program) boot; echo \"\(stamp)\"; echo switch-$((6 * 7))",
    ]
  }

  /// - Returns: nil for a switch that has not ended.
  init?(shown: String) {
    guard Self.ended.isReached(in: shown) else { return nil }
    times = shown.split(separator: Self.mark).dropFirst().compactMap { piece in
      piece.split(separator: " ").first.flatMap { Double($0) }
    }
    guard times.count > 10 else { return nil }
  }

  /// Places to cut the power at: half of them spread over the switch's time, half over its steps.
  func cuts(_ count: Int) -> [ConsoleSession.End] {
    let byTime = count / 2
    let byStep = count - byTime
    let whole = times[times.count - 1] - times[0]
    var cuts: [ConsoleSession.End] = (0..<byTime).map { number in
      let time = times[0] + whole * (Double(number) + 0.5) / Double(byTime)
      let step = times.lastIndex { $0 <= time } ?? 0
      return ConsoleSession.End(Self.mark, count: step + 1, delay: .seconds(time - times[step]))
    }
    // The last is that at which the scripts write out the store's filesystem; nothing but their end comes behind it.
    cuts += (0..<byStep).map {
      ConsoleSession.End(Self.mark, count: 1 + (times.count - 4) * $0 / (byStep - 1))
    }
    return cuts
  }
}
