internal import Basics
internal import Foundation
internal import Libvirt
internal import SystemPackage

/// The host's end of the agent's Unix socket.
///
/// Reads and writes block a thread of their own, never a task's. `hangUp` makes them return at once.
final class AgentChannel: Sendable {
  /// What a read gives.
  enum Input: Hashable, Sendable {
    case bytes([UInt8])
    /// The other end is closed, or `hangUp` was called.
    case end
    /// Nothing came in time.
    case nothing
  }

  private static let readSize = 1 << 16
  private let socket: FileDescriptor

  /// Takes over a connected socket.
  init(_ socket: FileDescriptor) {
    self.socket = socket
    _ = fcntl(socket.rawValue, F_SETFL, fcntl(socket.rawValue, F_GETFL) | O_NONBLOCK)
  }

  deinit {
    try? socket.close()
  }

  /// The next bytes.
  ///
  /// - Throws: `CancellationError` when the task is cancelled; the channel is hung up then.
  func read(within limit: Duration) async throws -> Input {
    let input = try await withTaskCancellationHandler {
      try await onThread { [self] in try readBlocking(within: limit) }
    } onCancel: {
      hangUp()
    }
    try Task.checkCancellation()
    return input
  }

  /// Sends bytes.
  ///
  /// - Throws: `Errno`; `timedOut` when the other end does not take them in time.
  func write(_ bytes: [UInt8], within limit: Duration) async throws {
    try await withTaskCancellationHandler {
      try await onThread { [self] in try writeBlocking(bytes, within: limit) }
    } onCancel: {
      hangUp()
    }
  }

  /// Ends the conversation, also for a read that is under way.
  func hangUp() {
    _ = shutdown(socket.rawValue, Int32(SHUT_RDWR))
  }

  private func readBlocking(within limit: Duration) throws -> Input {
    guard try wait(for: POLLIN, until: .now + limit) else { return .nothing }
    do {
      let bytes = try [UInt8](unsafeUninitializedCapacity: Self.readSize) { buffer, count in
        count = try socket.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      return bytes.isEmpty ? .end : .bytes(bytes)
    } catch Errno.connectionReset {
      return .end
    }
  }

  private func writeBlocking(_ bytes: [UInt8], within limit: Duration) throws {
    let deadline = ContinuousClock.now + limit
    var rest = bytes[...]
    while !rest.isEmpty {
      guard try wait(for: POLLOUT, until: deadline) else { throw Errno.timedOut }
      // Not write(2), which would raise SIGPIPE.
      let sent = rest.withUnsafeBytes { send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent >= 0 {
        rest = rest.dropFirst(sent)
      } else if errno != EAGAIN, errno != EINTR {
        throw Errno(rawValue: errno)
      }
    }
  }

  /// - Returns: false when the deadline has passed first.
  private func wait(for event: Int32, until deadline: ContinuousClock.Instant) throws(Errno) -> Bool {
    while true {
      let left = max(deadline - .now, .zero)
      // Rounded up, so as not to spin through the last millisecond.
      let milliseconds = Int32(clamping: Int64((left / .milliseconds(1)).rounded(.up)))
      var request = pollfd(fd: socket.rawValue, events: Int16(event), revents: 0)
      let ready = poll(&request, 1, milliseconds)
      if ready > 0 { return true }
      if ready == 0 { return false }
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
  }
}
