package import Basics

/// The values of the placeholders that both templates have.
public struct DomainValues: Hashable, Sendable {
  /// Unique among the domains of a libvirt.
  public var name: String
  /// The domain's UUID.
  public var uuid: String
  /// The guest's processor architecture.
  package var architecture: Architecture
  /// What runs the guest's processors.
  public var accelerator: Accelerator.Kind
  /// Memory, in MiB.
  public var memory: UInt64
  /// Processors.
  public var cpus: Int
  /// The firmware; nil for QEMU's own BIOS.
  public var firmware: FirmwarePair?
  /// This run's copy of the variable store; without use for a BIOS.
  public var variables: String
  /// The file that takes the first serial line.
  public var consoleLog: String
  /// The host's processors that may run the guest, as `0-3,8`; empty for whatever libvirt chooses.
  public var hostCPUs: String

  /// Gathers the values.
  package init(
    name: String, uuid: String, architecture: Architecture = .current, accelerator: Accelerator.Kind,
    memory: UInt64, cpus: Int,
    firmware: FirmwarePair?, variables: String, consoleLog: String, hostCPUs: String
  ) {
    self.name = name
    self.uuid = uuid
    self.architecture = architecture
    self.accelerator = accelerator
    self.memory = memory
    self.cpus = cpus
    self.firmware = firmware
    self.variables = variables
    self.consoleLog = consoleLog
    self.hostCPUs = hostCPUs
  }

  /// The value of `sectorSize`: empty for the usual size, so that its section is left out.
  public static func sectorSize(_ bytes: UInt64) -> String { bytes == 512 ? "" : "\(bytes)" }

  /// A domain's XML, of these values and others.
  ///
  /// - Parameters:
  ///   - values: placeholders that this template has beside those of every domain.
  ///   - lists: its lists.
  /// - Throws: `Fault` when the template names another placeholder, or has no place for a list.
  public func render(
    _ template: DomainTemplate, with values: [String: String], lists: [String: [String]] = [:]
  ) throws -> String {
    try template.render(
      placeholders.merging(values) { $1 }, lists: lists,
      hints: ["slowFeatures": accelerator == .kvm ? [] : architecture.slowFeatures])
  }

  /// By the names of the placeholders.
  public var placeholders: [String: String] {
    [
      "name": name,
      "uuid": uuid,
      "architecture": architecture.name,
      "machineType": architecture.machineType,
      "domainType": accelerator == .kvm ? "kvm" : "qemu",
      "cpuMode": accelerator == .kvm ? "host-passthrough" : "maximum",
      "memory": "\(memory)",
      "cpus": "\(cpus)",
      "firmwareCode": firmware?.code ?? "",
      // Secure Boot code runs its variable driver in system management mode, and never starts without it.
      "secure": firmware?.requiresSMM == true ? "yes" : "no",
      "smm": firmware?.requiresSMM == true ? "on" : "off",
      "variables": variables,
      "consoleLog": consoleLog,
      "hostCPUs": hostCPUs,
    ]
  }
}
