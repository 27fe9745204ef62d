package import SystemPackage

/// Where a machine's libvirt is.
package enum Hypervisor: Hashable, Sendable {
  /// libvirt's QEMU driver in this process, without a daemon: `qemu:///embed`.
  case embedded
  /// Another libvirt, as `qemu:///session`.
  case uri(String)
}

/// What makes a machine.
package struct MachineConfiguration: Sendable {
  /// What runs it.
  package var hypervisor: Hypervisor
  /// Where the console's log goes, complete up to its limit; it is left there. Nil: in the session's folder, and removed with it.
  package var consoleLog: FilePath?
  /// How long the guest may take for its first byte on the console; nil for ever, as for a domain without a log.
  package var firstByteLimit: Duration?
  /// How much the guest may print on its console, in bytes; it is ended at more.
  package var consoleLimit: UInt64
  /// Whether QEMU opens a window. Only the first machine of a process may.
  package var hasWindow = false
  /// Whether the session has the name and the UUID that all machines have which are saved or restored.
  package var isShared: Bool
  /// What the machine is restored from; nil to boot it. Needs `isShared`.
  package var saved: SavedMachine?
  /// The domain of this session.
  package var domainXML: @Sendable (MachineSession) throws -> String

  package init(
    hypervisor: Hypervisor = .embedded, consoleLog: FilePath? = nil, firstByteLimit: Duration? = .seconds(60),
    consoleLimit: UInt64 = ConsoleLog.byteLimit, isShared: Bool = false, saved: SavedMachine? = nil,
    domainXML: @escaping @Sendable (MachineSession) throws -> String
  ) {
    self.hypervisor = hypervisor
    self.consoleLog = consoleLog
    self.firstByteLimit = firstByteLimit
    self.consoleLimit = consoleLimit
    self.isShared = isShared
    self.saved = saved
    self.domainXML = domainXML
  }
}

/// The name and the paths of one session. The domain must use them.
package struct MachineSession: Hashable, Sendable {
  /// The domain's name, unique among the machines of its libvirt.
  package var name: String
  /// The domain's UUID.
  package var uuid: String
  /// A folder of the session's own, private to the user, removed at its end.
  package var directory: FilePath
  /// The file that the first serial port writes.
  package var consoleLog: FilePath
  /// The host's processors that may run the guest, as `0-3,8`; empty where the libvirt is not in this process.
  package var hostCPUs: String

  /// The Unix socket of the agent's channel. Short: a socket's path has room for 107 bytes.
  package var agentSocket: FilePath { directory.appending("agent.sock") }
  /// The Unix socket of the first serial port, where the domain has one beside its log.
  package var consoleSocket: FilePath { directory.appending("console.sock") }
  /// The Unix socket of the second serial port.
  package var debugSocket: FilePath { directory.appending("debug.sock") }

  /// Whether name and UUID are those of all machines that are saved or restored: a domain keeps both.
  package var isShared: Bool { name == Self.sharedName }

  static let sharedName = "slipway-installer"
  static let sharedUUID = "d2b0a3c6-5f0e-4f7e-9d0a-6a1c52c7b3e8"

  /// A session as keys of starts know it: without what differs from one to the next.
  package static let shared = MachineSession(
    name: sharedName, uuid: sharedUUID, directory: "/session", consoleLog: "/session/console.log",
    hostCPUs: "")
}
