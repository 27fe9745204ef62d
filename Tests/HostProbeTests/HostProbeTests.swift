import Basics
import BuildPlan
import Command
import Foundation
import HostProbe
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite struct HostProbeTests {
  private static let code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  private static let variables = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  /// Programs that say what they would, in a folder that is the whole `PATH`, and a descriptor of the user's.
  private func withHost(
    _ body: (_ probe: HostProbe, _ folder: FilePath) async throws -> Void
  ) async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      let descriptors = folder.appending("qemu/firmware")
      try FileManager.default.createDirectory(atPath: descriptors.string, withIntermediateDirectories: true)
      let descriptor = """
        {"description": "the user's", "interface-types": ["uefi"], "features": [], "tags": [],
         "mapping": {"device": "flash",
           "executable": {"filename": "\(Self.code)", "format": "raw"},
           "nvram-template": {"filename": "\(Self.variables)", "format": "raw"}},
         "targets": [{"architecture": "x86_64", "machines": ["pc-q35-4.2"]}]}
        """
      try Data(descriptor.utf8).write(to: URL(filePath: descriptors.appending("00-mine.json").string))
      for (name, text) in [("qemu-system-x86_64", "QEMU emulator version 4.2.1 (x)"), ("qemu-img", "?")] {
        let file = folder.appending(name).string
        try Data("#!/bin/sh\necho '\(text)'\n".utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
      }
      let runner = ScriptedRunner { command in
        if command.arguments == ["-machine", "help"] {
          return
            "microvm   microvm (i386)\nq35       Standard PC (alias of pc-q35-4.2)\npc-q35-4.2  Standard PC\n"
        }
        return try await SubprocessRunner().run(command)
      }
      let environment = [
        "PATH": folder.string, "XDG_CONFIG_HOME": folder.string, "XDG_CACHE_HOME": folder.string,
      ]
      try await body(HostProbe(runner: runner, environment: environment), folder)
    }
  }

  @Test func factsAreWhatProgramsAndFilesOfTheHostSay() async throws {
    try await withHost { probe, folder in
      let facts = try await probe.facts(
        workFolder: "\(folder)/not/there/yet", libvirtVersion: "9.0.0", kernel: Tool(name: "kernel"))
      #expect(facts.machine == "pc-q35-4.2")
      #expect(
        facts.tool("qemu-system-x86_64")
          == Tool(
            name: "qemu-system-x86_64", path: "\(folder)/qemu-system-x86_64", version: "4.2.1"))
      #expect(facts.tool("qemu-img") == Tool(name: "qemu-img", path: "\(folder)/qemu-img"))
      // No other machine type's firmware, and the user's before the distribution's.
      #expect(facts.firmware.folders.first == "\(folder)/qemu/firmware")
      #expect(facts.firmware.found.first?.pair.description == "the user's")
      #expect(facts.firmware.found.first?.codeSize == 0x37c000)
      #expect(facts.libvirtVersion == "9.0.0" && facts.kernel == Tool(name: "kernel"))
      #expect(Set(facts.tools.map(\.name)) == Set(ExternalTool.all.map(\.name)))
    }
  }

  @Test func aBuildTakesThePairThatDoctorNames() async throws {
    try await withHost { probe, _ in
      let pair = try await probe.firmware()
      #expect(pair.code == Self.code && pair.variablesTemplate == Self.variables)
      #expect(pair.description == "the user's" && !pair.requiresSMM && !pair.secureBoot)
    }
  }

  @Test func processorsMemoryAndSpaceAreThoseOfTheKernel() async throws {
    try await withHost { probe, folder in
      let facts = try await probe.facts(
        workFolder: "\(folder)/not/there/yet", libvirtVersion: nil, kernel: Tool(name: "kernel"))
      let runner = SubprocessRunner()
      func number(_ script: String) async throws -> UInt64? {
        UInt64(try await runner.run("sh", "-c", script, "sh", folder.string).filter(\.isNumber))
      }
      #expect(UInt64(facts.cpus) == (try await number("nproc")))
      // As /proc/meminfo has it, in KiB.
      let memory = try #require(try await number("grep MemTotal /proc/meminfo"))
      #expect(facts.memory.bytes >> 10 == memory)
      // What is kept for root is root's. Others write to the same filesystem meanwhile.
      let blocks = getuid() == 0 ? "%f" : "%a"
      let space = try #require(try await number("echo $(($(stat -f -c '\(blocks) * %S' \"$1\")))"))
      let found = try #require(facts.freeSpace).bytes
      #expect(max(space, found) - min(space, found) < 2 << 30)
    }
  }

  /// Whatever this machine has, KVM without its device is none.
  @Test(.enabled(if: !FileManager.default.fileExists(atPath: "/dev/kvm"), "needs a machine without KVM"))
  func aMachineWithoutTheDeviceEmulates() async throws {
    try await withHost { probe, _ in
      let accelerator = try await probe.accelerator()
      #expect(accelerator.kind == .tcg && accelerator.reason.contains("/dev/kvm does not exist"))
      let fault = try await #require(throws: Fault.self) { try await probe.accelerator(wanted: .kvm) }
      #expect(fault.message.contains("/dev/kvm does not exist"))
    }
  }
}
