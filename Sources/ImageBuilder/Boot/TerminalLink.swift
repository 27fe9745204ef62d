internal import Foundation
internal import SystemPackage

/// Carries bytes between this process's standard streams and a serial line of a guest.
enum TerminalLink {
  /// Why a stream is not carried any more.
  enum End: Hashable, Sendable {
    /// Nothing more comes from the source.
    case sourceEnded
    /// The sink takes nothing more.
    case sinkEnded
    /// The sign was raised.
    case stopped
    /// The key came that leaves.
    case left
  }

  /// Copies bytes until either side ends or the sign is raised, and shows each piece to `seen`. Blocks its thread.
  ///
  /// - Parameter key: a byte that ends it, and is not copied; nil for none.
  @discardableResult
  static func pump(
    from source: Int32, to sink: Int32, until stop: StopSign, leavingAt key: UInt8? = nil,
    seen: (ArraySlice<UInt8>) -> Void = { _ in }
  ) -> End {
    // What a pipe that poll(2) calls writable takes without blocking (PIPE_BUF).
    var buffer = [UInt8](repeating: 0, count: 4096)
    while stop.wait(for: source, POLLIN) {
      let count = read(source, &buffer, buffer.count)
      guard count > 0 else { return .sourceEnded }
      let piece = buffer[..<count]
      let carried = key.map { key in piece.prefix { $0 != key } } ?? piece
      seen(carried)
      guard write(carried, to: sink, until: stop) else { return .sinkEnded }
      guard carried.count == piece.count else { return .left }
    }
    return .stopped
  }

  /// - Returns: whether all was written.
  @discardableResult
  static func write(_ bytes: some Sequence<UInt8>, to sink: Int32, until stop: StopSign) -> Bool {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      guard stop.wait(for: sink, POLLOUT) else { return false }
      let count = rest.withUnsafeBytes { Foundation.write(sink, $0.baseAddress, $0.count) }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}

/// Ends the waits of threads, once it is raised: a pipe that has a byte in it then.
final class StopSign: Sendable {
  private let reading: Int32
  private let writing: Int32

  /// - Throws: `Errno` when the process has no descriptor left.
  init() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
    (reading, writing) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  deinit {
    close(reading)
    close(writing)
  }

  func raise() {
    _ = Foundation.write(writing, [0], 1)
  }

  /// Waits until a descriptor is ready, or has ended.
  ///
  /// - Returns: false when the sign is raised first.
  func wait(for descriptor: Int32, _ event: Int32) -> Bool {
    while true {
      var requests = [
        pollfd(fd: descriptor, events: Int16(event), revents: 0),
        pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&requests, 2, -1)
      if ready < 0, errno == EINTR { continue }
      // What was read already is still written where that does not block.
      if event == POLLOUT, ready > 0, requests[0].revents != 0 { return true }
      return ready > 0 && requests[1].revents == 0
    }
  }
}

/// The terminal on standard input while it hands on every key, Ctrl-C included: it belongs to the guest. Does nothing where
/// standard input is no terminal.
struct RawTerminal {
  /// As they were; nil without a terminal.
  private let settings: termios?

  init() {
    var current = termios()
    guard tcgetattr(STDIN_FILENO, &current) == 0 else {
      settings = nil
      return
    }
    settings = current
    enter()
  }

  /// Whether there is one.
  static var isThere: Bool { isatty(STDIN_FILENO) == 1 }

  private func enter() {
    guard var raw = settings else { return }
    cfmakeraw(&raw)
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
  }

  func restore() {
    guard var settings else { return }
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
  }

  /// Runs `body` with the terminal as it was, so that lines which it prints begin at the left.
  func suspended(_ body: () -> Void) {
    restore()
    body()
    enter()
  }
}
