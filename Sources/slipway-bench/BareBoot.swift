internal import AgentProtocol
internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import Foundation
internal import HostProbe
internal import SystemPackage

/// The least that any build in a VM takes: the installer's own domain, with its firmware and kernel, and a busybox that
/// powers off as the only thing in its initramfs.
struct BareBoot {
  let kernel: String
  let initramfs: String
  let scratch: String
  let firmware: FirmwarePair
  let accelerator: Accelerator.Kind

  static func prepare(slipway: String, scratch: String) async throws -> BareBoot {
    let runner = SubprocessRunner()
    let appliance = try await runner.run(slipway, "appliance", "build")
    let script = """
      set -e; mkdir root; cp "$(command -v busybox)" root/busybox
      printf '#!/busybox sh\\n/busybox poweroff -f\\n' > root/init; chmod +x root/init
      mkdir root/dev; (cd root && find . | cpio --quiet -o -H newc) > initramfs
      """
    try await runner.run(Command("sh", ["-c", "cd \(scratch) && \(script)"]))
    let host = HostProbe()
    return BareBoot(
      kernel: "\(appliance)/kernel", initramfs: "\(scratch)/initramfs", scratch: scratch,
      firmware: try await host.firmware().raw(in: scratch, runner),
      accelerator: try await host.accelerator().kind)
  }

  func run() async throws {
    let variables = "\(scratch)/vars.fd"
    try? FileManager.default.removeItem(atPath: variables)
    try FileManager.default.copyItem(atPath: firmware.variablesTemplate, toPath: variables)
    let configuration = MachineConfiguration { session in
      let common = DomainValues(
        name: session.name, uuid: session.uuid, accelerator: accelerator, memory: 1024, cpus: 2,
        firmware: firmware, variables: variables, consoleLog: session.consoleLog.string,
        hostCPUs: session.hostCPUs)
      let installer = [
        "kernel": kernel, "initramfs": initramfs, "kernelCommandLine": Planner.kernelCommandLine,
        "clock": "\(ResolvedSpec.fixedTime)",
        "agentSocket": session.agentSocket.string, "agentPort": AgentProtocol.portName,
        "debugSocket": session.debugSocket.string,
      ]
      return try common.render(.installer(), with: installer, lists: ["qemuArguments": []])
    }
    try await withMachine(configuration) { machine in
      let end = try await machine.ended()
      guard end == .shutDown else {
        throw Fault(.failed, "the bare guest did not power off: \(end)")
      }
    }
  }
}
