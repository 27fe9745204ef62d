import BuildPlan
import Command
import Foundation
import ImageModel
import TestSupport
import Testing

@testable import HostProbe

@Suite struct DoctorReportTests {
  @Test func aGoodMachineIsAble() throws {
    let report = DoctorReport(goodFacts())
    #expect(report.isAble)
    #expect(report.checks.allSatisfy { $0.state == .ok && $0.remedy == nil })
    try expectSnapshot(report.text, named: "doctor-good.txt")
  }

  @Test func aBareMachineLearnsWhatToInstall() throws {
    let report = DoctorReport(bareFacts())
    #expect(!report.isAble)
    #expect(report.checks.allSatisfy { ($0.state == .ok) == ($0.remedy == nil) })
    try expectSnapshot(report.text, named: "doctor-bare.txt")
  }

  @Test func emulationAloneKeepsAMachineAble() throws {
    var facts = goodFacts()
    facts.accelerator = Accelerator(kind: .tcg, reason: "no KVM")
    let report = DoctorReport(facts)
    #expect(report.isAble)
    #expect(report.checks.first?.state == .notice)
  }

  @Test func everyToolIsNeeded() {
    for requirement in ExternalTool.all {
      var facts = goodFacts()
      facts.tools.removeAll { $0.name == requirement.name }
      // What only some builds need keeps no machine from building others.
      let state: DoctorReport.State = requirement.need == nil ? .missing : .notice
      let missing = DoctorReport(facts).checks.filter { $0.state == state }
      #expect(missing.map(\.name) == [requirement.name])
      #expect(missing.first?.remedy?.contains("apt install \(requirement.debianPackage)") == true)
    }
  }

  @Test func whatOneFormatNeedsKeepsAMachineAble() {
    for requirement in ExternalTool.all where requirement.need != nil {
      var facts = goodFacts()
      facts.tools.removeAll { $0.name == requirement.name }
      let report = DoctorReport(facts)
      let notices = report.checks.filter { $0.state != .ok }
      #expect(report.isAble && notices.map(\.name) == [requirement.name])
      #expect(notices.first?.detail.contains("only \(requirement.need ?? "") needs it") == true)
    }
  }

  @Test func jsonHasTheSameChecks() throws {
    let report = DoctorReport(bareFacts())
    let decoded = try JSONDecoder().decode(DoctorReport.self, from: Data(try report.json().utf8))
    #expect(decoded == report)
  }

  @Test func factsSurviveJSON() throws {
    let facts = goodFacts()
    #expect(try JSONDecoder().decode(HostFacts.self, from: JSONEncoder().encode(facts)) == facts)
  }
}

@Suite struct ToolTests {
  @Test(arguments: [
    ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright", "7.2.22"),
    ("mksquashfs version 4.5.1 (2022/03/17)", "4.5.1"), ("busybox", nil), ("the last word is version", nil),
  ])
  func versionsAreRead(text: String, version: String?) {
    #expect(ToolFinder.version(text) == version)
  }

  @Test func machinesAreReadFromQEMUsList() {
    let list = """
      Supported machines are:
      pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
      q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
      pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)
      """
    #expect(HostProbe.machine(behind: "q35", in: list) == "pc-q35-7.2")
    #expect(HostProbe.machine(behind: "pc", in: list) == "pc-i440fx-7.2")
    #expect(HostProbe.machine(behind: "virt", in: list) == nil)
    #expect(HostProbe.machine(behind: "q35", in: "") == nil)
  }

  @Test func aToolIsFoundWithItsVersion() async {
    let finder = ToolFinder(runner: ScriptedRunner { _ in "sh version 1.2" }, path: "/nowhere:/bin")
    let requirement = ExternalTool(
      "sh", on: .host, debianPackage: "dash", project: "dash", versionArgument: "--version")
    #expect(await finder.find(requirement) == Tool(name: "sh", path: "/bin/sh", version: "1.2"))
  }

  @Test func aToolThatIsNowhereIsNotFound() async {
    let finder = ToolFinder(runner: ScriptedRunner(), path: "/nowhere")
    let requirement = ExternalTool("no-such-tool", on: .host, debianPackage: "x", project: "x")
    #expect(await finder.find(requirement) == Tool(name: "no-such-tool"))
  }

  @Test func aDynamicToolCannotReplaceAStaticOne() async {
    let finder = ToolFinder(runner: ScriptedRunner(), path: "/bin")
    let tool = await finder.find(
      ExternalTool("sh", on: .host, debianPackage: "x", project: "x", mustBeStatic: true))
    #expect(tool.path == nil)
    #expect(tool.problem == "/bin/sh needs shared libraries")
  }
}

private func goodFacts() -> HostFacts {
  let pair = FirmwarePair(
    code: "/OVMF/CODE_4M.fd", variablesTemplate: "/OVMF/VARS_4M.fd", requiresSMM: false, secureBoot: false,
    description: "UEFI firmware for x86_64")
  return HostFacts(
    accelerator: Accelerator(kind: .kvm, reason: "/dev/kvm works"), machine: "pc-q35-7.2",
    firmware: FirmwareSearch(
      folders: ["/usr/share/qemu/firmware"],
      found: [
        FoundFirmware(
          pair: pair, resolvedCode: "/OVMF/CODE_4M.fd", codeSize: 0x37c000, variablesSize: 0x84000),
        FoundFirmware(
          pair: FirmwarePair(
            code: "/OVMF/SECURE_4M.fd", variablesTemplate: "/OVMF/VARS_4M.fd", requiresSMM: true,
            secureBoot: true),
          resolvedCode: "/OVMF/SECURE_4M.fd", codeSize: 0x37c000, variablesSize: 0x84000),
      ]),
    tools: ExternalTool.all.map {
      Tool(name: $0.name, path: "/bin/\($0.name)", version: $0.versionArgument == nil ? nil : "1.0")
    },
    libvirtVersion: "9.0.0",
    kernel: Tool(name: "kernel", path: "/boot/vmlinuz-6.1-cloud-amd64"),
    workFolder: "/work", freeSpace: .mebibytes(100 << 10), cpus: 8, memory: .mebibytes(16 << 10))
}

private func bareFacts() -> HostFacts {
  HostFacts(
    accelerator: Accelerator(kind: .tcg, reason: "/dev/kvm does not exist"), machine: nil,
    firmware: FirmwareSearch(
      folders: ["/etc/qemu/firmware", "/usr/share/qemu/firmware"],
      problems: ["/etc/qemu/firmware/50-x.json is not a firmware descriptor: it is not valid JSON"]),
    tools: [Tool(name: "busybox", problem: "/bin/busybox needs shared libraries")], libvirtVersion: nil,
    kernel: Tool(name: "kernel", problem: "no kernel in /boot can be used"), workFolder: "/work",
    freeSpace: .mebibytes(900), cpus: 1, memory: .mebibytes(1024))
}
