internal import Basics
internal import CLibvirt
internal import Foundation

/// A domain: one virtual machine as libvirt sees it.
package final class Domain: Sendable {
  /// The domain's name.
  package let name: String
  /// The domain's UUID in its usual spelling.
  package let uuid: String
  private let connection: Connection
  // A libvirt domain locks itself; the pointer never changes.
  nonisolated(unsafe) private let raw: OpaquePointer

  /// Takes over the caller's reference.
  init(connection: Connection, owning raw: OpaquePointer) {
    self.connection = connection
    self.raw = raw
    name = Domain.name(of: raw)
    uuid = Domain.uuid(of: raw)
  }

  deinit {
    _ = virDomainFree(raw)
  }

  /// Ends the domain at once, without asking its guest.
  ///
  /// - Throws: `LibvirtError`. A domain that has ended already is no error.
  package func destroy() async throws {
    try await onThread { [self] in
      guard virDomainDestroy(raw) < 0 else { return }
      let error = LibvirtError.last("destroy the domain '\(name)'")
      guard error.code == .noDomain || error.code == .operationInvalid else { throw error }
    }
  }

  /// Writes memory and devices to a file, for `Connection.restoreDomain`. The domain pauses meanwhile, and goes on then.
  ///
  /// - Parameter path: the file.
  /// - Throws: `LibvirtError`; also when the domain has disks.
  package func saveMemory(to path: String) async throws {
    let file = path.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "'", with: "&apos;")
      .replacingOccurrences(of: "<", with: "&lt;")
    let xml = "<domainsnapshot><memory snapshot='external' file='\(file)'/></domainsnapshot>"
    try await onThread { [self] in
      let snapshot = try LibvirtError.check(
        virDomainSnapshotCreateXML(raw, xml, VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA.rawValue),
        "save the memory of the domain '\(name)'")
      virDomainSnapshotFree(snapshot)
    }
  }

  /// Lets a paused domain go on.
  ///
  /// - Throws: `LibvirtError`.
  package func resume() async throws {
    try await onThread { [self] in
      _ = try LibvirtError.check(virDomainResume(raw), "resume the domain '\(name)'")
    }
  }

  /// Plugs a device into the running domain.
  ///
  /// - Throws: `LibvirtError`.
  package func attachDevice(xml: String) async throws {
    try await onThread { [self] in
      _ = try LibvirtError.check(
        virDomainAttachDeviceFlags(raw, xml, VIR_DOMAIN_AFFECT_LIVE.rawValue),
        "plug a device into the domain '\(name)'")
    }
  }

  /// The domain as it runs, with what libvirt chose, as XML.
  ///
  /// - Throws: `LibvirtError`.
  package func description() async throws -> String {
    try await onThread { [self] in
      let text = try LibvirtError.check(virDomainGetXMLDesc(raw, 0), "describe the domain '\(name)'")
      defer { free(text) }
      return String(cString: text)
    }
  }

  /// Writes what the first screen shows to a file.
  ///
  /// - Returns: the picture's media type: `image/png`, or `image/x-portable-pixmap` of a QEMU without PNG.
  /// - Throws: `LibvirtError`; also when the domain has no screen or the file cannot be written.
  package func screenshot(to path: String) async throws -> String {
    try await onThread { [self] in
      let attempt = "take a screenshot of the domain '\(name)'"
      let stream = try LibvirtError.check(virStreamNew(connection.raw, 0), attempt)
      defer { virStreamFree(stream) }
      let type = try LibvirtError.check(virDomainScreenshot(raw, stream, 0, 0), attempt)
      defer { free(type) }
      guard let file = fopen(path, "we") else {
        let reason = String(cString: strerror(errno))
        virStreamAbort(stream)
        throw LibvirtError(attempt: attempt, code: .none, message: "\(path): \(reason)")
      }
      let received = virStreamRecvAll(stream, writeToFile, UnsafeMutableRawPointer(file))
      let error = received < 0 ? LibvirtError.last(attempt) : nil
      let written = fclose(file)
      if let error { throw error }
      _ = try LibvirtError.check(virStreamFinish(stream), attempt)
      guard written == 0 else {
        throw LibvirtError(attempt: attempt, code: .none, message: "\(path) could not be written")
      }
      return String(cString: type)
    }
  }

  static func name(of raw: OpaquePointer) -> String {
    virDomainGetName(raw).map { String(cString: $0) } ?? ""
  }

  static func uuid(of raw: OpaquePointer) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(VIR_UUID_STRING_BUFLEN)) { buffer in
      guard let start = buffer.baseAddress, virDomainGetUUIDString(raw, start) == 0 else { return "" }
      return String(cString: start)
    }
  }
}

private func writeToFile(
  _ stream: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int, _ file: UnsafeMutableRawPointer?
) -> Int32 {
  guard let bytes, let file else { return -1 }
  let written = fwrite(bytes, 1, count, file.assumingMemoryBound(to: FILE.self))
  return written == count ? Int32(count) : -1
}

/// Why a domain ended.
package enum StopReason: Hashable, Sendable {
  /// The guest powered off.
  case shutDown
  /// The host destroyed it.
  case destroyed
  /// The hypervisor or the guest crashed.
  case crashed
  /// It could not be started.
  case failed
  /// One of libvirt's other reasons, by number.
  case other(Int32)

  init(stoppedDetail detail: Int32) {
    switch virDomainEventStoppedDetailType(rawValue: UInt32(bitPattern: detail)) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: self = .shutDown
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED: self = .destroyed
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED: self = .crashed
    case VIR_DOMAIN_EVENT_STOPPED_FAILED: self = .failed
    default: self = .other(detail)
    }
  }
}
