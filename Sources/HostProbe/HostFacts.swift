package import BuildPlan
package import ImageModel

/// What a plan and a report need to know of a machine. A value, so that both can be tested with fixed facts.
package struct HostFacts: Hashable, Codable, Sendable {
  /// What runs a guest's processors here.
  package var accelerator: Accelerator
  /// The versioned name of the guest's machine type in the QEMU found; nil when QEMU does not say.
  package var machine: String?
  /// The firmware that QEMU's descriptors name for that machine.
  package var firmware: FirmwareSearch
  /// Every tool that was looked for, found or not.
  package var tools: [Tool]
  /// The version of the libvirt driver that runs QEMU; nil when there is none.
  package var libvirtVersion: String?
  /// The kernel that a build would install with.
  package var kernel: Tool
  /// Where the free space was measured.
  package var workFolder: String
  /// What this user can still write there; nil when it could not be measured.
  package var freeSpace: ByteSize?
  /// Processors that are online.
  package var cpus: Int
  /// Main memory.
  package var memory: ByteSize

  package init(
    accelerator: Accelerator, machine: String?, firmware: FirmwareSearch, tools: [Tool],
    libvirtVersion: String?, kernel: Tool, workFolder: String, freeSpace: ByteSize?,
    cpus: Int, memory: ByteSize
  ) {
    self.accelerator = accelerator
    self.machine = machine
    self.firmware = firmware
    self.tools = tools
    self.libvirtVersion = libvirtVersion
    self.kernel = kernel
    self.workFolder = workFolder
    self.freeSpace = freeSpace
    self.cpus = cpus
    self.memory = memory
  }

  /// The tool of that name, if it was looked for.
  package func tool(_ name: String) -> Tool? {
    tools.first { $0.name == name }
  }
}

/// A program that was looked for.
package struct Tool: Hashable, Codable, Sendable {
  /// Its file name.
  package var name: String
  /// Where it is; nil when it is nowhere, or when what is there cannot serve.
  package var path: String?
  /// What it says its version is; nil when it was not asked or did not say.
  package var version: String?
  /// Why the one that was found cannot serve.
  package var problem: String?

  package init(name: String, path: String? = nil, version: String? = nil, problem: String? = nil) {
    self.name = name
    self.path = path
    self.version = version
    self.problem = problem
  }
}
