import BuildPlan
import Command
import Foundation
import HostProbe
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite struct HostProbeTests {
  @Test func theFactsOfThisMachineMakeAReport() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      var environment = ProcessInfo.processInfo.environment
      environment["XDG_CACHE_HOME"] = folder.string
      let probe = HostProbe(environment: environment)
      let facts = try await probe.facts(
        workFolder: "\(folder)/not/there/yet", libvirtVersion: "9.0.0", kernel: Tool(name: "kernel"))
      #expect(facts.cpus > 0)
      #expect(facts.memory.bytes > 0)
      #expect(facts.freeSpace != nil)
      #expect(!facts.accelerator.reason.isEmpty)
      if let qemu = facts.tool("qemu-system-x86_64"), qemu.path != nil {
        #expect(qemu.version?.isEmpty == false)
        #expect(facts.machine?.hasPrefix("pc-q35-") == true)
      }
      if !facts.firmware.found.isEmpty {
        #expect(try await probe.firmware() == facts.firmware.preferred().pair)
      }
      #expect(DoctorReport(facts).checks.count > ExternalTool.all.count { !$0.isEverywhere })
      #expect(try await probe.accelerator().kind == facts.accelerator.kind)
    }
  }
}
