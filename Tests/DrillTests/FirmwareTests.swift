import Foundation
import SystemPackage
import TestSupport
import Testing

/// Firmware and variable stores that would boot and keep nothing, or never start.
@Suite(.virtualMachines, .serialized) struct FirmwareTests {
  private static let code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  private static let variables = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  @Test(arguments: ["zeroed", "of another size", "no multiple of 4096", "cut short", "with a damaged header"])
  func aStoreThatKeepsNothingIsRefusedBeforeAMachineStarts(damage: String) async throws {
    try await row("broken variable store", damage) { bench in
      let template = try Data(contentsOf: URL(fileURLWithPath: Self.variables))
      let bytes =
        switch damage {
        case "zeroed": Data(count: template.count)
        case "of another size": try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS.fd"))
        case "no multiple of 4096": template + Data(count: 32)
        case "cut short": template.prefix(template.count / 2)
        default: Data(template.prefix(0x28)) + Data(count: 8) + template.dropFirst(0x30)
        }
      let store = bench.inputs.appending("vars.fd").string
      try bytes.write(to: URL(fileURLWithPath: store))
      let result = try await bench.run(
        bench.build("tiny", ["--efi-firmware", Self.code, "--efi-variables", store]))
      bench.expect(result, status: 2)
      bench.expect(!result.errors.contains("\nboot the installer …"), "a machine was started")
    }
  }

  @Test func firmwareThatNeverStartsIsGivenUp() async throws {
    try await row("firmware never starts", "code for SMM, said not to need it") { bench in
      let result = try await bench.run(
        bench.build(
          "tiny",
          [
            "--efi-firmware", "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "--efi-variables", Self.variables,
            "--no-efi-firmware-needs-smm",
          ]))
      bench.expect(result, status: 1)
    }
  }

  @Test func aStoreThatFillsUpIsSaidToBeFull() async throws {
    try await row(
      "variable store full", "20 kB variables until the firmware takes no more, before the bootloader"
    ) { bench in
      let script = try bench.write(
        """
        vars=/sys/firmware/efi/efivars
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
          { printf '\\007\\000\\000\\000'; head -c 20000 /dev/zero; } > /root/v
          cat /root/v > $vars/Filler$i-01020304-0506-0708-090a-0b0c0d0e0f10 || break
        done
        rm /root/v
        exec /nix/var/nix/profiles/system/bin/switch-to-configuration boot
        """, "fill")
      let result = try await bench.run(bench.build("tiny", ["--post-install", script]))
      // Kept as it is, or refused; never an image without its entry.
      bench.expect([0, 1].contains(result.status), "exit code \(result.status): \(result.errors)")
      if result.status == 0 { try FileManager.default.removeItem(atPath: bench.out.appending("r").string) }
    }
  }
}
