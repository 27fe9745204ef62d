internal import Basics
internal import CLibvirt
internal import Foundation
internal import Synchronization

/// Something that happened to one domain of a connection.
package struct DomainEvent: Hashable, Sendable {
  /// The domain's name.
  package var domain: String
  /// What happened.
  package var kind: Kind

  package enum Kind: Hashable, Sendable {
    case started
    case suspended
    case resumed
    /// The guest has shut down, or asked to be; the hypervisor is still there.
    case shutDown
    /// The domain has ended: the hypervisor is gone.
    case stopped(StopReason)
    /// The guest panicked.
    case panicked
    /// The guest has reset itself, and boots again where its domain says so.
    case rebooted
    /// A disk of the guest failed.
    case ioError(DiskError)
    /// One of libvirt's other lifecycle events, by number.
    case other(Int32)
  }
}

/// A read or write of the guest's that failed on the host.
package struct DiskError: Hashable, Sendable {
  /// The file on the host.
  package var path: String
  /// The disk's name in the domain, as `virtio-disk0`.
  package var device: String
  /// The hypervisor's word for why, as `enospc`; may be empty.
  package var reason: String
}

extension Connection {
  /// What happens to this connection's domains from now on. Nothing is dropped; a stream has one reader, and there may be
  /// several streams.
  ///
  /// - Throws: `LibvirtError`.
  package func events() async throws -> AsyncStream<DomainEvent> {
    let (stream, continuation) = AsyncStream.makeStream(of: DomainEvent.self)
    let number = readers.add(continuation)
    continuation.onTermination = { [self] _ in
      // May run inside a libvirt callback, where libvirt may not be called.
      DispatchQueue(label: "slipway.libvirt").async { self.removeReader(number) }
    }
    do {
      // libvirt takes a callback once for a connection.
      try await onThread { [self] in
        try callbacks.withLock { if $0.isEmpty { $0 = try register() } }
      }
    } catch {
      continuation.finish()
      throw error
    }
    return stream
  }

  /// Without readers nothing is registered: a callback would keep libvirt's connection open.
  private func removeReader(_ number: Int) {
    readers.remove(number)
    callbacks.withLock { identifiers in
      guard readers.isEmpty else { return }
      for identifier in identifiers { _ = virConnectDomainEventDeregisterAny(raw, identifier) }
      identifiers = []
    }
  }

  private func register() throws(LibvirtError) -> [Int32] {
    let attempt = "watch the domains of \(uri)"
    var identifiers: [Int32] = []
    func add(_ identifier: Int32) throws(LibvirtError) {
      guard identifier < 0 else { return identifiers.append(identifier) }
      let error = LibvirtError.last(attempt)
      for identifier in identifiers { _ = virConnectDomainEventDeregisterAny(raw, identifier) }
      throw error
    }
    func context() -> UnsafeMutableRawPointer { Unmanaged.passRetained(readers).toOpaque() }
    try add(slipway_register_lifecycle_events(raw, onLifecycle, context(), releaseReaders))
    try add(slipway_register_io_error_events(raw, onDiskError, context(), releaseReaders))
    try add(slipway_register_reboot_events(raw, onReboot, context(), releaseReaders))
    return identifiers
  }
}

/// Who reads the events of a connection. It is the context of each callback: libvirt holds a reference, and gives it back
/// through `releaseReaders`.
final class EventReaders: Sendable {
  private struct State {
    var readers: [Int: AsyncStream<DomainEvent>.Continuation] = [:]
    var next = 0
  }

  private let state = Mutex(State())

  var isEmpty: Bool { state.withLock { $0.readers.isEmpty } }

  func add(_ reader: AsyncStream<DomainEvent>.Continuation) -> Int {
    state.withLock { state in
      state.next += 1
      state.readers[state.next] = reader
      return state.next
    }
  }

  func remove(_ number: Int) { state.withLock { _ = $0.readers.removeValue(forKey: number) } }

  func yield(_ event: DomainEvent) {
    // Outside of the lock: a reader that is gone answers by being removed.
    let readers = state.withLock { Array($0.readers.values) }
    for reader in readers { reader.yield(event) }
  }
}

// Callbacks are free functions: a closure made in an actor's context would check for that actor and trap on
// libvirt's thread. They only pass the event on; libvirt may not be called from here.

private func releaseReaders(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<EventReaders>.fromOpaque(context).release()
}

private func report(
  _ kind: DomainEvent.Kind, of domain: OpaquePointer?, to context: UnsafeMutableRawPointer?
) {
  guard let domain, let context else { return }
  Unmanaged<EventReaders>.fromOpaque(context).takeUnretainedValue()
    .yield(DomainEvent(domain: Domain.name(of: domain), kind: kind))
}

private func onLifecycle(
  _ connection: OpaquePointer?, _ domain: OpaquePointer?, _ event: Int32, _ detail: Int32,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  let kind: DomainEvent.Kind =
    switch virDomainEventType(rawValue: UInt32(bitPattern: event)) {
    case VIR_DOMAIN_EVENT_STARTED: .started
    case VIR_DOMAIN_EVENT_SUSPENDED: .suspended
    case VIR_DOMAIN_EVENT_RESUMED: .resumed
    case VIR_DOMAIN_EVENT_SHUTDOWN: .shutDown
    case VIR_DOMAIN_EVENT_STOPPED: .stopped(StopReason(stoppedDetail: detail))
    case VIR_DOMAIN_EVENT_CRASHED: .panicked
    default: .other(event)
    }
  report(kind, of: domain, to: context)
  return 0
}

private func onDiskError(
  _ connection: OpaquePointer?, _ domain: OpaquePointer?, _ path: UnsafePointer<CChar>?,
  _ device: UnsafePointer<CChar>?, _ action: Int32, _ reason: UnsafePointer<CChar>?,
  _ context: UnsafeMutableRawPointer?
) {
  let error = DiskError(
    path: path.map { String(cString: $0) } ?? "", device: device.map { String(cString: $0) } ?? "",
    reason: reason.map { String(cString: $0) } ?? "")
  report(.ioError(error), of: domain, to: context)
}

private func onReboot(
  _ connection: OpaquePointer?, _ domain: OpaquePointer?, _ context: UnsafeMutableRawPointer?
) {
  report(.rebooted, of: domain, to: context)
}
