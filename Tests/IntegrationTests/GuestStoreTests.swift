import Command
import EFIVariables
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Stores that firmware left behind after sessions of different machines: each is read as virt-firmware reads it, and
/// the firmware keeps its canonical form.
@Suite(.virtualMachines) struct GuestStoreTests {
  /// One session: the template and what the machine has.
  struct Session: Sendable, CustomTestStringConvertible {
    var template = "_4M"
    var devices: [String] = []
    /// How often it boots with the same store.
    var boots = 1

    var testDescription: String { "\(template) \(devices.joined(separator: " ")) \(boots)" }
  }

  private static let disk = ["-drive", "if=none,id=d,format=raw,file=DISK"]

  static let few = [
    Session(boots: 2),
    Session(template: "_4M.ms", devices: disk + ["-device", "nvme,drive=d,serial=one"]),
    Session(template: "", devices: ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"]),
    Session(devices: [
      "-device", "qemu-xhci", "-device", "usb-kbd", "-vga", "std", "-boot", "menu=on,splash-time=1",
    ]),
  ]

  static let more =
    ["_4M", "_4M.ms", "_4M.snakeoil", ""].flatMap { template in
      [
        Session(template: template, devices: disk + ["-device", "virtio-blk-pci,drive=d,bootindex=1"]),
        Session(
          template: template, devices: disk + ["-device", "qemu-xhci", "-device", "usb-storage,drive=d"]),
        Session(
          template: template, devices: ["-m", "512", "-smp", "2", "-device", "virtio-rng-pci"], boots: 3),
        Session(
          template: template, devices: ["-netdev", "user,id=n", "-device", "e1000e,netdev=n", "-vga", "none"]),
      ]
    }

  static let sessions =
    few + (ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == nil ? [] : more)

  @Test(arguments: sessions)
  func aStoreOfASessionReadsAsVirtFirmwareReadsIt(session: Session) async throws {
    try await withScratchDirectory { scratch in
      let store = scratch.appending("vars.fd")
      let template = "/usr/share/OVMF/OVMF_VARS\(session.template).fd"
      try Data(contentsOf: URL(fileURLWithPath: template)).write(to: URL(fileURLWithPath: store.string))
      let disk = scratch.appending("disk.img").string
      try await SubprocessRunner().run("truncate", "-s", "32M", disk)
      for _ in 0..<session.boots {
        try await FirmwareSession.run(store, devices: session.devices, disk: disk)
      }
      let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: store.string)))
      try #require(try VariableStore(reading: bytes).deadCount > 0)
      try await VirtFirmware(scratch: scratch).expectAgreement(on: bytes)

      let canonical = try VariableStore(reading: bytes).canonical()
      try Data(canonical.serialized()).write(to: URL(fileURLWithPath: store.string))
      try await FirmwareSession.run(store, devices: session.devices, disk: disk)
      let after = try VariableStore(reading: Array(Data(contentsOf: URL(fileURLWithPath: store.string))))
      let difference = StoreDifference(from: canonical, to: after)
      let lost = difference.removed + difference.changed.map(\.old)
      #expect(lost.filter { !$0.isRemadeByFirmware } == [])
    }
  }

  /// What is stripped because the firmware makes it again is there again after a boot.
  @Test func theFirmwareMakesAgainWhatIsStripped() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("vars.fd")
      let url = URL(fileURLWithPath: file.string)
      try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS_4M.fd")).write(to: url)
      func store() throws -> VariableStore { try VariableStore(reading: Array(Data(contentsOf: url))) }
      try await FirmwareSession.run(file)
      let before = try store().canonical()
      let stripped = before.withoutFirmwareVariables().canonical()
      #expect(stripped.variables.isEmpty, "\(stripped.variables.map(\.key))")
      try Data(stripped.serialized()).write(to: url)
      try await FirmwareSession.run(file)
      #expect(StoreDifference(from: before, to: try store().canonical()).lines == [])
    }
  }
}
