internal import Basics
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Everything that a build says, on disk while it runs, without a name: nothing is left of it unless it is kept.
///
/// Bounded: the beginning is kept, and of the rest the end.
final class BuildLog: Sendable {
  private struct State {
    var file: FileDescriptor?
    /// Bytes noted in all.
    var length: Int64 = 0
  }

  /// Bytes that are kept of the beginning, and of the end.
  private let headLimit: Int64
  private let tailLimit: Int64
  private let state = Mutex(State())
  private let start = ContinuousClock.now

  init(headLimit: Int64 = 16 << 20, tailLimit: Int64 = 48 << 20) {
    self.headLimit = headLimit
    self.tailLimit = tailLimit
  }

  deinit {
    state.withLock { try? $0.file?.close() }
  }

  /// Begins to keep what is noted, in a file without a name on the filesystem of `folder`.
  ///
  /// - Throws: `Fault`.
  func open(in folder: FilePath) throws {
    let path = folder.appending(".log")
    do {
      let file = try FileDescriptor.open(
        path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
      unlink(path.string)
      state.withLock { $0.file = file }
    } catch {
      throw Fault(PathFailure("make", path, error as? Errno ?? .ioError))
    }
  }

  /// Notes an event. What cannot be written is lost: a log is no reason to fail.
  func note(_ event: BuildEvent) {
    guard let text = Self.text(event) else { return }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let tenths = Int(seconds * 10)
    note("[\(tenths / 10).\(tenths % 10)] \(TerminalText.escaped(text))\n")
  }

  private func note(_ line: String) {
    state.withLock { state in
      guard let file = state.file else { return }
      var rest = Array(line.utf8)[...]
      while !rest.isEmpty {
        let (place, room) = place(of: state.length)
        let part = rest.prefix(Int(room))
        guard let count = try? part.withUnsafeBytes({ try file.write(toAbsoluteOffset: place, $0) }),
          count > 0
        else { return }
        state.length += Int64(count)
        rest = rest.dropFirst(count)
      }
    }
  }

  /// Where the byte of a number is in the file, and how many follow it there.
  private func place(of number: Int64) -> (place: Int64, room: Int64) {
    guard number >= headLimit else { return (number, headLimit - number) }
    let offset = (number - headLimit) % tailLimit
    return (headLimit + offset, tailLimit - offset)
  }

  /// Hands out what was noted, piece by piece.
  func read(_ body: ([UInt8]) throws -> Void) throws {
    let (file, length) = state.withLock { ($0.file, $0.length) }
    guard let file else { return }
    var number: Int64 = 0
    let left = max(0, length - headLimit - tailLimit)
    while number < length {
      if number == headLimit, left > 0 {
        try body(Array("\n[… \(left) bytes are left out …]\n".utf8))
        number += left
      }
      let (place, room) = place(of: number)
      let size = Int(min(room, length - number, 1 << 20))
      var bytes = [UInt8](repeating: 0, count: size)
      let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: place, into: $0) }
      guard count > 0 else { return }
      try body(Array(bytes.prefix(count)))
      number += Int64(count)
    }
  }

  private static func text(_ event: BuildEvent) -> String? {
    switch event {
    case .began(let step): "\(step.text) …"
    case .progress, .status: nil
    case .ended(let step, _, let detail): "\(step.text): done" + (detail.map { ", \($0)" } ?? "")
    case .failed(let step, _, let reason): "\(step.text): failed: \(reason)"
    case .stopped(let step, _): "\(step.text): stopped"
    case .log(let step, let line): "  \(step.name)| \(line)"
    case .warning(let text): "warning: \(text)"
    }
  }
}
