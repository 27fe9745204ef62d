internal import Glibc
internal import Synchronization
package import SystemPackage

/// Data that did not arrive where it was to go; a build that is done does not fail for a reader that has gone.
package struct OutputFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// Why.
  package var reason: Errno

  /// Whether whoever read it, such as `head`, has gone.
  package var isReaderGone: Bool { reason == .brokenPipe }

  package var description: String { "standard output could not be written: \(reason)" }
}

/// The writer for what was asked for, on standard output: all of it arrives, or an error says that it did not.
package struct DataOutput: Sendable {
  private let descriptor: Int32

  package static let standard = DataOutput(descriptor: STDOUT_FILENO)

  package init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// Writes bytes as they are.
  ///
  /// - Throws: `OutputFailure`.
  package func write(bytes: [UInt8]) throws(OutputFailure) {
    do throws(Errno) {
      try writeAll(bytes, to: descriptor)
      // Some filesystems, such as NFS, say only now that there is no room.
      let copy = dup(descriptor)
      if copy >= 0, close(copy) != 0, errno != EINTR { throw Errno(rawValue: errno) }
    } catch {
      throw OutputFailure(reason: error)
    }
  }

  /// Writes lines for people. Text from outside in them is escaped, line by line.
  ///
  /// - Throws: `OutputFailure`.
  package func write(lines: [String]) throws(OutputFailure) {
    try write(bytes: Array(lines.map { TerminalText.escaped($0) + "\n" }.joined().utf8))
  }

  /// Writes text for people that ends its lines itself.
  ///
  /// - Throws: `OutputFailure`.
  package func write(text: String) throws(OutputFailure) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last?.isEmpty == true { lines.removeLast() }
    try write(lines: lines)
  }

  /// Writes JSON, with what a terminal would obey escaped as JSON escapes it.
  ///
  /// - Throws: `OutputFailure`.
  package func write(json: String) throws(OutputFailure) {
    try write(bytes: Array((TerminalText.escapedJSON(json) + (json.hasSuffix("\n") ? "" : "\n")).utf8))
  }
}

/// The writer for what people watch, on standard error. A reader that is gone loses the rest, and stops nothing.
package final class ProgressOutput: Sendable {
  private struct State {
    var lineIsOpen = false
    var isLost = false
  }

  package static let standardError = ProgressOutput(descriptor: STDERR_FILENO)

  private let descriptor: Int32
  private let state = Mutex(State())

  package init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// Whether it is a terminal that obeys control sequences, and nobody asked for none (`TERM=dumb`, `NO_COLOR`).
  package var isLive: Bool {
    guard isatty(descriptor) == 1 else { return false }
    let terminal = variable("TERM")
    return terminal != nil && terminal != "" && terminal != "dumb" && (variable("NO_COLOR") ?? "").isEmpty
  }

  /// Writes a line of its own. Text from outside in it is escaped.
  package func write(line: String) {
    state.withLock { state in
      let start = state.lineIsOpen ? "\r\u{1B}[K" : ""
      state.lineIsOpen = false
      put(start + TerminalText.escaped(line) + "\n", &state)
    }
  }

  /// Draws over the live line, as much as fits; for terminals alone.
  package func draw(line: String) {
    // A line that reaches the last column makes some terminals begin another one.
    let text = TerminalText.cut(TerminalText.escaped(line), to: width - 1)
    state.withLock { state in
      state.lineIsOpen = true
      put("\r\u{1B}[K" + text, &state)
    }
  }

  /// Columns of the terminal, which may change at any time: what the terminal says, or less if `COLUMNS` says less.
  private var width: Int {
    var size = winsize()
    let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    let wish = variable("COLUMNS").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    return min(isKnown ? Int(size.ws_col) : wish ?? 80, wish ?? .max)
  }

  private func put(_ text: String, _ state: inout State) {
    guard !state.isLost else { return }
    do throws(Errno) {
      try writeAll(Array(text.utf8), to: descriptor)
    } catch {
      state.isLost = true
    }
  }

  private func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}

/// Makes sure that the three standard descriptors are taken. Where the caller closed one, a file that is opened later
/// would get its number, and be written to in its place.
package func keepStandardDescriptors() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
    // Open in the wrong direction: reading or writing it is an error, as it would be if it were closed.
    _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

/// Writes all bytes, also to a pipe that does not block.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(Errno) {
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes {
      write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
    }
    if count >= 0 {
      written += count
    } else if errno == EAGAIN {
      var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      poll(&wanted, 1, -1)
    } else if errno != EINTR {
      throw Errno(rawValue: errno)
    }
  }
}
