package import AgentProtocol
internal import Foundation
internal import Synchronization
package import SystemPackage

/// The guest's end of the agent's channel, played by a thread that follows a script.
package final class FakeAgent: Sendable {
  /// One line of the script.
  package enum Action: Sendable {
    /// Wait for the next message of the host's.
    case hear
    /// Send a message.
    case say(AgentMessage)
    /// Say that the last request heard is done, or has failed.
    case answer(StepFailure? = nil)
    /// Send bytes that need not be a message.
    case bytes([UInt8])
    /// Send a message again and again, until the host hangs up.
    case flood(AgentMessage)
    /// Do nothing for a while.
    case pause(Duration)
    /// Stay connected in silence until the host hangs up.
    case hang
  }

  /// What a well-behaved agent does first.
  package static let greeting: [Action] = [.hear, .say(.hello(build: "fake"))]

  /// The host's end, connected.
  package let host: FileDescriptor

  private struct State {
    var heard: [HostMessage] = []
    var lastID = 0
    var decoder = FrameDecoder<HostMessage>()
    var waiting: [HostMessage] = []
  }

  private let guest: FileDescriptor
  private let state = Mutex(State())

  /// Starts to play the script. Its end closes the guest's end of the channel.
  package init(_ script: [Action]) throws {
    var ends: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      throw Errno(rawValue: errno)
    }
    host = FileDescriptor(rawValue: ends[0])
    guest = FileDescriptor(rawValue: ends[1])
    Thread.detachNewThread { [self] in
      try? play(script)
      try? guest.close()
    }
  }

  /// What the host has said so far.
  package var heard: [HostMessage] { state.withLock { $0.heard } }

  private func play(_ script: [Action]) throws {
    for action in script {
      switch action {
      case .hear: try hear()
      case .say(let message): try send(FrameCodec.encode(message))
      case .answer(let failure):
        let id = state.withLock { $0.lastID }
        try send(FrameCodec.encode(AgentMessage.reply(id: id, failure: failure)))
      case .bytes(let bytes): try send(bytes)
      case .flood(let message):
        let frame = try FrameCodec.encode(message)
        while true { try send(frame) }
      case .pause(let duration): Thread.sleep(forTimeInterval: duration / .seconds(1))
      case .hang: while true { try hear() }
      }
    }
  }

  private func hear() throws {
    while true {
      let isDone = state.withLock { state in
        guard !state.waiting.isEmpty else { return false }
        let message = state.waiting.removeFirst()
        state.heard.append(message)
        switch message {
        case .request(let id, _, _): state.lastID = id
        case .debugShell(let id), .begin(let id, _): state.lastID = id
        case .hello, .powerOff: break
        }
        return true
      }
      if isDone { return }
      let bytes = try [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = try guest.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      guard !bytes.isEmpty else { throw Errno.brokenPipe }
      try state.withLock { $0.waiting += try $0.decoder.push(bytes) }
    }
  }

  private func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      // Not write(2), which would raise SIGPIPE.
      let sent = rest.withUnsafeBytes {
        Foundation.send(guest.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard sent >= 0 else { throw Errno(rawValue: errno) }
      rest = rest.dropFirst(sent)
    }
  }
}
