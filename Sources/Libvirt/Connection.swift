internal import Basics
internal import CLibvirt
internal import Foundation
internal import Synchronization

/// A connection to a hypervisor. It is closed with its last reference; domains and event streams hold one.
///
/// libvirt's own objects may be used from any thread at once.
package final class Connection: Sendable {
  /// What was connected to.
  package let uri: String
  // A libvirt connection locks itself; the pointer never changes.
  nonisolated(unsafe) let raw: OpaquePointer
  /// Who reads its events.
  let readers = EventReaders()
  /// The callbacks that libvirt has for them, by libvirt's numbers.
  let callbacks = Mutex<[Int32]>([])

  private init(uri: String, raw: OpaquePointer) {
    self.uri = uri
    self.raw = raw
  }

  deinit {
    // Closing may ask a daemon, and a last reference may go away on the cooperative pool.
    nonisolated(unsafe) let raw = raw
    DispatchQueue(label: "slipway.libvirt").async { _ = virConnectClose(raw) }
  }

  /// Opens a connection.
  ///
  /// - Throws: `LibvirtError`.
  package static func open(_ uri: String) async throws -> Connection {
    try await onThread { try openBlocking(uri) }
  }

  /// Opens a connection to `qemu:///embed`, or gives the one that this process has already.
  ///
  /// A process can use one root in its lifetime; libvirt refuses a second one. Each opening registers the driver anew, for
  /// which libvirt has room some 16 times (`virRegisterConnectDriver`), and two at once do not wait for each other: the
  /// second finds a driver that is not ready, or breaks the process.
  /// - Throws: `LibvirtError`.
  package static func openEmbedded(_ uri: String) async throws -> Connection {
    try await onThread {
      try embedded.withLock { connection in
        if let connection { return connection }
        let opened = try OneProcessor.run { try openBlocking(uri) }
        connection = opened
        return opened
      }
    }
  }

  private static let embedded = Mutex<Connection?>(nil)

  private static func openBlocking(_ uri: String) throws -> Connection {
    try EventLoop.start()
    return Connection(uri: uri, raw: try LibvirtError.check(virConnectOpen(uri), "connect to \(uri)"))
  }

  /// The versions of libvirt and of the hypervisor behind this connection.
  ///
  /// - Throws: `LibvirtError`.
  package func versions() async throws -> (library: Version, hypervisor: Version) {
    try await onThread { [self] in
      var library: UInt = 0
      var hypervisor: UInt = 0
      _ = try LibvirtError.check(virConnectGetLibVersion(raw, &library), "tell its version")
      _ = try LibvirtError.check(virConnectGetVersion(raw, &hypervisor), "tell the hypervisor's version")
      return (Version(number: library), Version(number: hypervisor))
    }
  }

  /// Starts a transient domain: nothing of it is left in libvirt once it has ended.
  ///
  /// - Throws: `LibvirtError`.
  package func createDomain(xml: String, flags: DomainStartFlags = []) async throws -> Domain {
    try await onThread { [self] in
      let raw = try LibvirtError.check(
        virDomainCreateXML(raw, xml, flags.rawValue), "start the domain")
      return Domain(connection: self, owning: raw)
    }
  }
}

extension Connection {
  /// Makes a transient domain from what `Domain.saveMemory` has written. It does not run before it is resumed.
  ///
  /// - Parameters:
  ///   - path: the state; also a FIFO, as it is read once, from its beginning to its end.
  ///   - xml: the domain. It may differ from the saved one in the host's files alone.
  ///   - name: its name.
  /// - Throws: `LibvirtError`.
  package func restoreDomain(from path: String, xml: String, name: String) async throws -> Domain {
    try await onThread { [self] in
      _ = try LibvirtError.check(
        virDomainRestoreFlags(raw, path, xml, VIR_DOMAIN_SAVE_PAUSED.rawValue), "restore the domain")
      return Domain(
        connection: self,
        owning: try LibvirtError.check(virDomainLookupByName(raw, name), "find the domain it restored"))
    }
  }
}

/// How a domain is started.
package struct DomainStartFlags: OptionSet, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Destroy the domain when the connection ends, however it ends. `qemu:///embed` refuses it.
  package static let autoDestroy = DomainStartFlags(rawValue: VIR_DOMAIN_START_AUTODESTROY.rawValue)
}

/// A version as libvirt writes it: 9.0.0.
package struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var major: UInt
  package var minor: UInt
  package var release: UInt

  /// - Parameter number: 1,000,000 × major + 1,000 × minor + release, libvirt's own form.
  package init(number: UInt) {
    major = number / 1_000_000
    minor = number / 1_000 % 1_000
    release = number % 1_000
  }

  package static func < (left: Version, right: Version) -> Bool {
    (left.major, left.minor, left.release) < (right.major, right.minor, right.release)
  }

  package var description: String { "\(major).\(minor).\(release)" }
}
