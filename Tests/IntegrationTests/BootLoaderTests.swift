import Foundation
import SystemPackage
import TestSupport
import Testing

/// Every layout with every bootloader that it can have, installed by the system's own program and booted.
@Suite(.virtualMachines, .serialized) struct BootLoaderTests {
  /// One image: the system, its table, and how it is booted.
  struct Cell: Sendable, CustomTestStringConvertible {
    let system: String
    let table: String
    var bios = false
    /// Further flags.
    var flags: [String] = []

    var testDescription: String { "\(system) on \(table)\(bios ? ", by BIOS" : "")" }

    var isUntouched: Bool { system.hasSuffix("-notouch") }

    func build(to out: FilePath) async throws {
      let built = try await SlipwayCommand.run(
        ["build", "--system", try await TestSystem.path(system), "--out", out.string]
          + ["--partition-table-type", table, "--additional-space", "16M"]
          + (isUntouched ? ["--no-touch-efi-vars"] : []) + flags)
      try #require(built.status == 0, "\(built.errors)")
    }
  }

  /// The rest of the table takes ten minutes: `make test-all` does it.
  private static let cells =
    ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == nil ? some : all
  static let all = some + others

  private static let some =
    [
      Cell(system: "grub-bios", table: "legacy", bios: true),
      Cell(
        system: "grub-bios-sda", table: "hybrid", bios: true,
        flags: ["--grub-device", "/dev/sdb", "--grub-device", "/dev/sda"]),
      Cell(system: "grub-efi", table: "efi"),
      // GRUB has its kernels in /boot of the root, and its loader on the ESP.
      Cell(system: "grub-xbootldr", table: "efi", flags: ["--esp-mount-point", "/efi"]),
      Cell(system: "xbootldr", table: "efixbootldr"),
    ]

  private static let others =
    [
      Cell(system: "grub-bios", table: "legacy+gpt", bios: true),
      Cell(system: "grub-bios", table: "legacy+boot", bios: true),
      Cell(system: "grub-bios", table: "hybrid", bios: true),
      Cell(system: "grub-efi", table: "hybrid"), Cell(system: "tiny", table: "hybrid"),
      Cell(system: "uki", table: "efi"), Cell(system: "grub-xbootldr", table: "efixbootldr"),
    ]
    + ["uki", "grub-efi", "tiny"].map { Cell(system: "\($0)-notouch", table: "efi") }
    + ["grub-efi", "tiny"].map { Cell(system: "\($0)-notouch", table: "hybrid") }
    + ["xbootldr", "grub-xbootldr"].map { Cell(system: "\($0)-notouch", table: "efixbootldr") }

  @Test(arguments: cells)
  func aLayoutBoots(cell: Cell) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      try await cell.build(to: out)
      // Without the variables of the build, the firmware finds the fallback path by itself.
      let image = ["--image", out.appending("nixos.img").string]
      let verified = try await SlipwayCommand.run(
        ["verify"] + (cell.bios ? image + ["--bios"] : cell.isUntouched ? image : [out.string]))
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  @Test func aGRUBDeviceThatIsNotThereIsNamedWithItsFlag() async throws {
    try await withScratchDirectory { scratch in
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("grub-bios-sda"), "--out",
        scratch.appending("r").string,
        "--partition-table-type", "legacy", "--additional-space", "16M",
      ])
      #expect(built.status == 1)
      #expect(built.errors.contains("Give /dev/sda as grubDevice (--grub-device)"), "\(built.errors)")
    }
  }
}
