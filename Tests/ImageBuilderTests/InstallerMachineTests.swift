internal import BuildMachine
internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Appliance
@testable internal import BuildPlan
@testable internal import ImageBuilder

/// Which starts have one key.
@Suite struct InstallerMachineTests {
  /// All that a machine is started from.
  struct Start: Sendable {
    var accelerator = Accelerator.Kind.tcg
    var memory: UInt64 = 1024
    var cpus = 2
    var commandLine = "console=ttyS0"
    var clock: Int64 = 946_814_400
    var appliance = "a"
    var code = "code"
    var variables = "variables"
    var requiresSMM = false
    var hasFirmware = true
    var template: String?
    var emulator = "/usr/bin/qemu 1 2"
    var libvirt = "9.0.0, QEMU 7.2.22"
    /// Part of every path.
    var place = "one"
  }

  /// What is changed, and how.
  static let changes: [(String, @Sendable (inout Start) -> Void)] = [
    ("the accelerator", { $0.accelerator = .kvm }), ("memory", { $0.memory = 2048 }),
    ("processors", { $0.cpus = 1 }), ("the kernel's command line", { $0.commandLine += " quiet" }),
    ("kernel, agent or another part of the appliance", { $0.appliance = "b" }),
    ("the firmware's code", { $0.code = "edoc" }), ("the variables' template", { $0.variables += "x" }),
    ("system management mode", { $0.requiresSMM = true }), ("a BIOS", { $0.hasFirmware = false }),
    ("the domain's template", { $0.template = "<domain>{{memory}}</domain>" }),
    ("a QEMU of the same version", { $0.emulator = "/usr/bin/qemu 1 3" }),
    ("the version of QEMU", { $0.libvirt = "9.0.0, QEMU 8.0.0" }),
    ("the version of libvirt", { $0.libvirt = "9.1.0, QEMU 7.2.22" }),
  ]

  @Test func everyDifferenceIsAnotherKey() async throws {
    let usual = try await key(Start())
    var keys = [usual]
    for (name, change) in Self.changes {
      var start = Start()
      change(&start)
      let key = try await key(start)
      #expect(!keys.contains(key), "\(name)")
      keys.append(key)
    }
  }

  @Test func filesMayBeAnywhere() async throws {
    #expect(try await key(Start()) == key(Start(place: "two & 'more'")))
  }

  /// It is set when a session begins.
  @Test func theClockMayBeAny() async throws {
    #expect(try await key(Start()) == key(Start(clock: 1)))
  }

  @Test func whatSlipwayDoesNotKnowInFullIsNotSaved() throws {
    let machine = try machine(Start(), in: "/nowhere")
    #expect(machine.obstacle == nil)
    let others = try [
      installer(machine: MachineChoice(connection: "qemu:///session")),
      installer(machine: MachineChoice(template: "/mine.xml")), installer(arguments: ["-device", "edu"]),
    ]
    for other in others {
      let machine = InstallerMachine(
        plan: machine.plan, appliance: machine.appliance, installer: other, variables: nil, disks: [:])
      #expect(machine.obstacle != nil)
    }
  }

  private func key(_ start: Start) async throws -> String {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending(start.place)
      try FileManager.default.createDirectory(
        atPath: folder.string, withIntermediateDirectories: true)
      for (name, text) in [("code", start.code), ("template", start.variables)] {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.appending(name).string))
      }
      return try await machine(start, in: folder).key(emulator: start.emulator, libvirt: start.libvirt).digest
    }
  }

  private func machine(_ start: Start, in folder: FilePath) throws -> InstallerMachine {
    let pair = FirmwarePair(
      code: folder.appending("code").string, variablesTemplate: folder.appending("template").string,
      requiresSMM: start.requiresSMM, secureBoot: false)
    let plan = MachinePlan(
      accelerator: start.accelerator, memory: start.memory, cpus: start.cpus,
      firmware: start.hasFirmware ? pair : nil, kernelCommandLine: start.commandLine, clock: start.clock)
    let appliance = Appliance(
      kernel: folder.appending("kernel"), initramfs: folder.appending("initramfs"), digest: start.appliance)
    let variables = WorkVariables(firmware: pair, template: [], file: folder.appending("vars.fd"))
    return InstallerMachine(
      plan: plan, appliance: appliance, installer: try installer(template: start.template),
      variables: start.hasFirmware ? variables : nil, disks: [:])
  }

  private func installer(
    machine: MachineChoice = MachineChoice(), template: String? = nil, arguments: [String] = []
  ) throws -> Installer {
    Installer(
      machine: machine,
      template: try template.map { try DomainTemplate(name: "mine.xml", text: $0) } ?? .installer(),
      qemuArguments: arguments, appliance: ApplianceChoice(), start: .auto, debugShell: false)
  }
}
