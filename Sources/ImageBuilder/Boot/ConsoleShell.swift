internal import Basics
internal import BuildMachine
internal import Foundation
internal import Synchronization
internal import SystemPackage

/// Who logs in on a console.
public struct ConsoleLogin: Hashable, Sendable {
  /// The user.
  public var user: String
  /// The password; nil for a user without one.
  public var password: String?

  /// Describes a user, by default root without a password.
  public init(user: String = "root", password: String? = nil) {
    (self.user, self.password) = (user, password)
  }
}

/// A shell of a booted system, over its serial console.
///
/// It depends on a prompt for a user's name, and on a shell that knows `printf`; not on how either looks.
struct ConsoleShell {
  private let line: FileDescriptor
  private let transcript: Transcript
  private let console = ConsoleText()

  /// What a command did.
  struct Result: Hashable, Sendable {
    /// Its exit status.
    var status: Int
    /// What it printed, standard output and errors, without what moves a cursor. A guest writes it.
    var output: String
  }

  /// How long the console has to be quiet before the shell is taken to wait.
  private static let quiet = Duration.milliseconds(400)
  private static let pollInterval = Duration.milliseconds(50)
  /// Until the shell is asked again whether it is there.
  private static let patience = Duration.seconds(8)
  private static let attempts = 6

  /// Runs `body` in a shell.
  ///
  /// - Parameter machine: one whose console shows a prompt for a user's name.
  /// - Throws: `Fault` when nobody can log in; what `body` throws.
  static func with<Result: Sendable>(
    _ machine: Machine, as login: ConsoleLogin, _ body: (ConsoleShell) async throws -> Result
  ) async throws -> Result {
    let transcript = Transcript()
    return try await machine.withLine(.console) { line in
      // Not the log: QEMU writes a byte there again that the line, while it is full, does not take at once.
      let drain = Task { try? await onThread { Self.drain(line.rawValue, into: transcript) } }
      defer { drain.cancel() }
      let shell = ConsoleShell(line: line, transcript: transcript)
      try await shell.logIn(login)
      return try await body(shell)
    }
  }

  private static func drain(_ line: Int32, into transcript: Transcript) {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(line, &buffer, buffer.count)
      guard count > 0 else { return transcript.end() }
      transcript.add(buffer[..<count])
    }
  }

  private func logIn(_ login: ConsoleLogin) async throws {
    try type("\(login.user)\n")
    var hasGivenPassword = false
    for _ in 0..<Self.attempts {
      try await waitForQuiet()
      var shown = shown
      if asksForPassword(shown) {
        guard let password = login.password, !hasGivenPassword else { throw refused(login, shown) }
        hasGivenPassword = true
        transcript.forget()
        try type("\(password)\n")
        try await waitForQuiet()
        shown = self.shown
      }
      guard !shown.contains("incorrect"), !asksForPassword(shown) else { throw refused(login, shown) }
      transcript.forget()
      try type("printf 'slipway-%s\\n' ready\n")
      if try await wait(for: "slipway-ready\n", within: Self.patience) != nil { return }
    }
    throw refused(login, shown)
  }

  private func asksForPassword(_ shown: String) -> Bool {
    let last = shown.split(separator: "\n").last?.trimmingCharacters(in: .whitespaces) ?? ""
    return last.hasSuffix("assword:")
  }

  private func refused(_ login: ConsoleLogin, _ shown: String) -> Fault {
    Fault(
      .failed, "could not log in as \(login.user) over the serial console",
      cause: asksForPassword(shown) || shown.contains("incorrect")
        ? "the system wants \(login.password == nil ? "a" : "another") password" : "no shell answered",
      remedy: "Name a user of the system with --login, and the file with the password with --password-file",
      evidence: shown.split(separator: "\n").suffix(10).map { TerminalText.escaped(String($0)) })
  }

  /// Runs a command, which may have several lines.
  ///
  /// - Throws: `Fault` when it does not end in time, or the guest ends first; `CancellationError`.
  func run(_ command: String, within limit: Duration = .seconds(60)) async throws -> Result {
    let mark = String(UInt32.random(in: .min ... .max), radix: 16)
    transcript.forget()
    try type(
      "printf 'slipway-%s\\n' begin-\(mark); (\n\(command)\n) 2>&1; printf '\\nslipway-%s:%s\\n' end-\(mark) $?\n"
    )
    guard let text = try await wait(for: "slipway-end-\(mark):", andLine: true, within: limit) else {
      throw Fault(
        .failed, "a command on the guest's console did not end in \(limit.components.seconds) seconds",
        cause: transcript.hasEnded ? "the guest ended first" : command,
        evidence: shown.split(separator: "\n").suffix(10).map { TerminalText.escaped(String($0)) })
    }
    let begin = text.range(of: "slipway-begin-\(mark)\n")?.upperBound ?? text.startIndex
    guard let end = text.range(of: "slipway-end-\(mark):", range: begin..<text.endIndex) else {
      return Result(status: -1, output: "")
    }
    let status = Int(text[end.upperBound...].prefix { $0.isNumber }) ?? -1
    var output = text[begin..<end.lowerBound]
    if output.hasSuffix("\n") { output.removeLast() }
    return Result(status: status, output: String(output))
  }

  /// Types a command whose end the guest does not live to see.
  func type(_ text: String) throws(Fault) {
    do {
      try line.writeAll(Array(text.utf8))
    } catch {
      throw Fault(.failed, "could not type on the guest's console", cause: "\(error)")
    }
  }

  private var shown: String { console.plain(transcript.text) }

  private func waitForQuiet() async throws {
    var last = transcript.byteCount
    var change = ContinuousClock.now
    let start = change
    while ContinuousClock.now - start < Self.patience {
      try await Task.sleep(for: Self.pollInterval)
      let count = transcript.byteCount
      if count != last { (last, change) = (count, .now) }
      if count > 0, ContinuousClock.now - change > Self.quiet { return }
    }
  }

  /// - Parameter andLine: whether the rest of the text's line has to be there, too.
  /// - Returns: what was shown; nil when the text does not come in time, or the guest has ended.
  private func wait(for text: String, andLine: Bool = false, within limit: Duration) async throws -> String? {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < limit {
      let hasEnded = transcript.hasEnded
      let shown = shown
      if let range = shown.range(of: text), !andLine || shown[range.upperBound...].contains("\n") {
        return shown
      }
      guard !hasEnded else { return nil }
      try await Task.sleep(for: Self.pollInterval)
    }
    return nil
  }
}

/// What a console has shown since the last time that it was forgotten.
private final class Transcript: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var hasEnded = false
  }

  private let state = Mutex(State())

  var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }
  var byteCount: Int { state.withLock { $0.bytes.count } }
  var hasEnded: Bool { state.withLock { $0.hasEnded } }

  /// The most bytes that are kept, of the newest: a guest may print without end.
  private static let limit = 1 << 20

  func add(_ bytes: ArraySlice<UInt8>) {
    state.withLock { state in
      state.bytes += bytes
      if state.bytes.count > 2 * Self.limit { state.bytes.removeFirst(state.bytes.count - Self.limit) }
    }
  }

  func forget() { state.withLock { $0.bytes = [] } }
  /// The guest has ended, or nobody listens any more.
  func end() { state.withLock { $0.hasEnded = true } }
}
