internal import Basics
internal import Foundation
internal import Synchronization
package import SystemPackage

/// A guest's serial console. QEMU writes it to a file, complete; this follows that file up to a limit, at which whoever
/// owns the machine is told to end it.
package final class ConsoleLog: Sendable {
  /// How many of the last lines are kept for messages.
  static let keptLines = 40
  /// The longest kept line, in bytes; a longer one is cut into several.
  static let lineLimit = 4096
  /// What a guest may print, in bytes. A boot with all of systemd's debugging on prints a few MiB.
  package static let byteLimit: UInt64 = 32 << 20
  private static let pollInterval = DispatchTimeInterval.milliseconds(50)
  private static let pieceSize = 1 << 16

  /// The file.
  package let path: FilePath

  private struct State {
    var file: FileDescriptor?
    var lines = ConsoleLines()
    var bytes: UInt64 = 0
    var streams: [Int: AsyncStream<String>.Continuation] = [:]
    var nextStream = 0
    var isFinished = false
  }

  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "slipway.console")
  // A dispatch source may be used from any thread; only its declaration does not say so.
  nonisolated(unsafe) private let timer: any DispatchSourceTimer
  private let byteLimit: UInt64
  private let onLine: @Sendable (String) -> Void
  private let onFull: @Sendable () -> Void

  /// Starts to follow a file, which need not exist yet.
  ///
  /// - Parameters:
  ///   - onLine: is given each line, escaped, on a thread of this object's.
  ///   - onFull: is called once the guest has printed more than the limit. Nothing more is read then.
  init(
    path: FilePath, byteLimit: UInt64 = ConsoleLog.byteLimit,
    onLine: @escaping @Sendable (String) -> Void = { _ in }, onFull: @escaping @Sendable () -> Void = {}
  ) {
    self.path = path
    self.byteLimit = byteLimit
    self.onLine = onLine
    self.onFull = onFull
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.setEventHandler { [weak self] in self?.poll() }
    timer.schedule(deadline: .now(), repeating: Self.pollInterval)
    timer.activate()
  }

  deinit {
    timer.cancel()
    try? state.withLock { $0.file }?.close()
  }

  /// How many bytes the guest has printed.
  package var byteCount: UInt64 { state.withLock { $0.bytes } }

  /// The guest's last lines, oldest first, escaped.
  package var lastLines: [String] {
    state.withLock { $0.lines.last(Self.keptLines) }
  }

  /// What the guest prints from now on, as it comes: pieces of any length, not escaped. Ends with the guest.
  package func text() -> AsyncStream<String> {
    // Without a bound of its own, as a lost piece could hold what is waited for: the console's limit bounds it.
    let (stream, continuation) = AsyncStream.makeStream(of: String.self)
    state.withLock { state in
      guard !state.isFinished else { return continuation.finish() }
      let number = state.nextStream
      state.nextStream += 1
      state.streams[number] = continuation
      continuation.onTermination = { [weak self] _ in
        self?.state.withLock { _ = $0.streams.removeValue(forKey: number) }
      }
    }
    return stream
  }

  /// Reads what is left in the file, and ends the streams. The guest is gone.
  func finish() {
    timer.cancel()
    // On the queue, so that pieces keep their order.
    queue.sync { poll() }
    let streams = state.withLock { state in
      state.isFinished = true
      defer { state.streams = [:] }
      return state.streams
    }
    for stream in streams.values { stream.finish() }
  }

  /// Takes what the guest has printed since the last time.
  private func poll() {
    while true {
      let (piece, lines, streams, isFull) = state.withLock { state in
        let piece = read(&state)
        return (piece, state.lines.take(piece), Array(state.streams.values), state.bytes > byteLimit)
      }
      guard !piece.isEmpty else { return }
      if isFull { onFull() }
      lines.forEach(onLine)
      let text = String(decoding: piece, as: UTF8.self)
      for stream in streams { stream.yield(text) }
    }
  }

  private func read(_ state: inout State) -> [UInt8] {
    if state.file == nil { state.file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) }
    guard let file = state.file, state.bytes <= byteLimit else { return [] }
    let piece = try? [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, count in
      count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
    }
    state.bytes += UInt64(piece?.count ?? 0)
    return piece ?? []
  }
}
