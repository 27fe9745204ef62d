internal import AgentProtocol
internal import Basics
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Messages on their way to the host. One thread writes them, and once the session has begun it says every two seconds that
/// the agent is alive. Before that nothing is on its way unless the host has asked: the guest may be saved.
///
/// A sender waits while there is more to send than the host takes, so that no line of output is lost; how much may
/// wait, and how much may be sent at all, is `SendQueue`'s.
final class Outbox: Sendable {
  private let port: ControlPort
  private let end: @Sendable (String) -> Never
  private let queue = Mutex(SendQueue())
  private let arrivals = DispatchSemaphore(value: 0)
  private let firstSent = DispatchSemaphore(value: 0)
  private let hasHeartbeats = Mutex(false)

  /// - Parameter end: ends the guest, for the reason given.
  init(port: ControlPort, end: @escaping @Sendable (String) -> Never = { Console.powerOff(because: $0) }) {
    self.port = port
    self.end = end
  }

  /// Starts to write, with the agent's hello.
  ///
  /// - Throws: `SystemFailure` when there is no thread for it.
  func start(with hello: AgentMessage) throws {
    send(hello)
    try startThread { [self] in writeForEver() }
  }

  /// Waits for the hello to be with the host. Blocks.
  func waitUntilSent() {
    firstSent.wait()
  }

  /// Says from the next message on that the agent is alive.
  func beginHeartbeats() {
    hasHeartbeats.withLock { $0 = true }
  }

  /// Gives the next request a budget of its own.
  func beginRequest() {
    queue.withLock { $0.beginRequest() }
  }

  /// Sends a message. Blocks while the host is too slow; a host that is gone ends the guest.
  func send(_ message: AgentMessage) {
    do {
      while try queue.withLock({ try $0.offer(message) }) == .full { usleep(2_000) }
    } catch {
      end("\(error)")
    }
    arrivals.signal()
  }

  private func writeForEver() {
    let interval = DispatchTimeInterval.seconds(AgentProtocol.heartbeatInterval)
    var nextHeartbeat = DispatchTime.now() + interval
    var isFirst = true
    do {
      while true {
        let limit = hasHeartbeats.withLock { $0 } ? nextHeartbeat : .distantFuture
        if arrivals.wait(timeout: limit) == .timedOut {
          nextHeartbeat = .now() + interval
          try port.write(FrameCodec.encode(AgentMessage.event(.heartbeat)))
        }
        for frame in queue.withLock({ $0.takeAll() }) { try port.write(frame) }
        if isFirst { firstSent.signal() }
        isFirst = false
      }
    } catch {
      end("\(error)")
    }
  }
}
