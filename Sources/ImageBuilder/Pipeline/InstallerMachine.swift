internal import AgentProtocol
internal import Appliance
internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import CLinux
internal import Command
internal import Foundation
internal import Glibc
internal import HostProbe
internal import SystemPackage

/// The machine that installs, as a domain: what it is started from, and which saved machine stands for that start.
struct InstallerMachine: Sendable {
  let plan: MachinePlan
  let appliance: Appliance
  let installer: Installer
  /// Nil without EFI.
  let variables: WorkVariables?
  /// Disks that the domain's template has in place; empty for one into which they are plugged.
  let disks: [String: String]

  /// - Parameters:
  ///   - saved: what it is restored from; nil to boot it.
  ///   - isShared: whether it may be saved; so is what is restored.
  func configuration(
    consoleLog: FilePath?, saved: SavedMachine? = nil, isShared: Bool
  ) -> MachineConfiguration {
    MachineConfiguration(
      hypervisor: installer.machine.hypervisor, consoleLog: consoleLog, isShared: isShared, saved: saved
    ) { session in
      try domain(
        of: session, firmware: variables?.firmware, variables: variables?.file.string ?? "",
        kernel: appliance.kernel.string, initramfs: appliance.initramfs.string)
    }
  }

  private func domain(
    of session: MachineSession, firmware: FirmwarePair?, variables: String, kernel: String, initramfs: String
  ) throws -> String {
    let common = DomainValues(
      name: session.name, uuid: session.uuid, accelerator: plan.accelerator, memory: plan.memory,
      cpus: plan.cpus, firmware: firmware, variables: variables, consoleLog: session.consoleLog.string,
      hostCPUs: session.hostCPUs)
    let own = [
      "kernel": kernel, "initramfs": initramfs, "kernelCommandLine": plan.kernelCommandLine,
      // The session's is set when it begins, so that one saved machine serves builds of all times.
      "clock": "\(ResolvedSpec.fixedTime)", "agentSocket": session.agentSocket.string,
      "agentPort": AgentProtocol.portName, "debugSocket": session.debugSocket.string,
    ]
    return try common.render(
      installer.template, with: disks.merging(own) { $1 }, lists: ["qemuArguments": installer.qemuArguments])
  }

  /// Why a machine of this kind is neither saved nor restored; nil where it can be.
  var obstacle: String? {
    if installer.machine.template != nil { return "the domain has a template of its own" }
    if !installer.qemuArguments.isEmpty { return "QEMU has arguments of its own" }
    if installer.machine.connection != nil { return "another libvirt runs the machine" }
    return nil
  }

  /// The key of this start: the domain without what differs from one session to the next, and the bytes of all that it names.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func key() async throws -> StartKey {
    let emulator = await ToolFinder(
      runner: SubprocessRunner(), path: ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    ).find(ExternalTool(Architecture.current.emulator, on: .host, debianPackage: ""))
    return try await key(
      emulator: Self.stamp(emulator.path ?? ""), libvirt: try await installer.machine.hypervisor.version())
  }

  /// - Parameters:
  ///   - emulator: which QEMU it is.
  ///   - libvirt: the versions of libvirt and QEMU.
  func key(emulator: String, libvirt: String) async throws -> StartKey {
    let pair = variables.map { variables in
      var pair = variables.firmware
      (pair.code, pair.variablesTemplate) = ("/firmware", "/variables")
      return pair
    }
    var inputs = [
      "domain": try domain(
        of: .shared, firmware: pair, variables: "/variables", kernel: "/kernel", initramfs: "/initramfs"),
      "appliance": appliance.digest, "libvirt": libvirt, "emulator": emulator,
    ]
    if let firmware = variables?.firmware {
      inputs["firmwareCode"] = try await FileDigest.sha256(of: FilePath(firmware.code))
      inputs["variablesTemplate"] = try await FileDigest.sha256(of: FilePath(firmware.variablesTemplate))
    }
    // Emulated processors are the same everywhere.
    if plan.accelerator == .kvm { inputs["processor"] = Self.processor() }
    return StartKey(inputs)
  }

  /// A program that is replaced by one of the same version has another size or time.
  private static func stamp(_ path: String) -> String {
    guard let status = try? FilePath(path).stat() else { return path }
    return "\(path) \(status.size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
  }

  /// The host's first processor, as the kernel describes it, without what changes while it runs.
  private static func processor() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let first = text.components(separatedBy: "\n\n").first ?? ""
    return first.split(separator: "\n").filter { !$0.hasPrefix("cpu MHz") && !$0.hasPrefix("bogomips") }
      .joined(separator: "\n")
  }
}
