package import Subprocess
package import SystemPackage

/// A booted image that a test types into, over its serial console. QEMU runs by itself here, without Slipway.
package enum ConsoleSession {
  private static let firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"

  /// When a session ends: some time after a text was shown for the nth time. QEMU is killed then, which is a power cut for the
  /// machine in it: what it has given to its disk by then is there, and what it still had in its memory is not.
  package struct End: Sendable, ExpressibleByStringLiteral {
    let text: String
    let count: Int
    let delay: Duration

    /// Ends a session `delay` after the text was shown `count` times, at least once.
    package init(_ text: String, count: Int = 1, delay: Duration = .zero) {
      self.text = text
      self.count = count
      self.delay = delay
    }

    package init(stringLiteral text: String) { self.init(text) }

    /// Whether the console has shown the text as often.
    package func isReached(in shown: String) -> Bool {
      var rest = shown.utf8[...]
      for _ in 0..<count {
        guard let found = rest.firstRange(of: text.utf8) else { return false }
        rest = rest[found.upperBound...]
      }
      return true
    }
  }

  /// Boots, logs in as root, types the commands and waits for the end. After a reboot it logs in again.
  ///
  /// - Parameters:
  ///   - variables: the EFI variables; nil for a BIOS.
  ///   - isCopy: the machine has copies of image and variables, which end with the session; or else both themselves.
  ///   - further: raw disks beside the image.
  ///   - share: how the machine is given the host's store, under the tag `store`; nil for not at all.
  /// - Returns: everything that the console showed.
  package static func run(
    image: FilePath, format: String, variables: FilePath?, isCopy: Bool = true, further: [FilePath] = [],
    share: HostShare? = nil, scratch: FilePath, commands: [String], until end: End
  ) async throws -> String {
    var machine = [
      "-machine", "q35", "-accel", "tcg", "-cpu", "max,-erms,-fsrm", "-m", "1024", "-smp", "2", "-display",
      "none",
      "-serial", "stdio", "-monitor", "none",
      "-drive", "if=virtio,format=\(format),snapshot=\(isCopy ? "on" : "off"),file=\(image)",
    ]
    for disk in further { machine += ["-drive", "if=virtio,format=raw,snapshot=on,file=\(disk)"] }
    let socket = scratch.appending("share.socket")
    machine += share?.arguments(socket: socket) ?? []
    if let variables {
      let used = isCopy ? scratch.appending("console-vars.fd") : variables
      if isCopy {
        _ = try await Subprocess.run(
          .name("cp"), arguments: [variables.string, used.string], output: .discarded)
      }
      machine += [
        "-drive", "if=pflash,format=raw,readonly=on,file=\(firmware)",
        "-drive", "if=pflash,format=raw,file=\(used)",
      ]
    }
    let words =
      ["sh", "-c", "\(share?.preparation(socket: socket) ?? "")\nexec \"$@\"", "sh", "qemu-system-x86_64"]
      + machine
    var shown = ""
    for _ in 0..<(isCopy ? 2 : 1) {
      // A power cut: the guest is not asked.
      shown = try await drive(words, commands: commands, endingWith: .kill) { shown in
        guard end.isReached(in: shown) else { return false }
        try await Task.sleep(for: end.delay)
        return true
      }.shown
      guard !end.isReached(in: shown), standsStill(shown) else { break }
    }
    return shown
  }

  /// Whether the last that was shown is of a kernel's first seconds. On a busy host an emulated one may lose a timer's interrupt
  /// there, and wait for ever: nothing of the image has run by then.
  private static func standsStill(_ shown: String) -> Bool {
    let last = shown.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }
    return last?.prefixMatch(of: #/\[ *[0-4]\.[0-9]{6}\] /#) != nil
  }

  /// Runs a program whose standard streams are a guest's console, and types as `run` does.
  ///
  /// - Parameters:
  ///   - words: the program and its arguments.
  ///   - signal: what ends the program.
  ///   - isDone: is asked with all that was shown, once everything is typed; whether the program is ended.
  /// - Returns: everything that the console showed, and how the program ended; 128 and the signal's number for a signal.
  package static func drive(
    _ words: [String], commands: [String], endingWith signal: Subprocess.Signal = .terminate,
    until isDone: @Sendable (String) async throws -> Bool
  ) async throws -> (shown: String, status: Int32) {
    let ended = try await Subprocess.run(
      words[0].contains("/") ? .path(FilePath(words[0])) : .name(words[0]),
      arguments: Arguments(Array(words.dropFirst())),
      input: .inputWriter, output: .sequence, error: .discarded
    ) { execution in
      var typist = Typist(commands: commands)
      var shown = ""
      var isEnding = false
      let deadline = Task {
        try await Task.sleep(for: .seconds(240))
        try execution.send(signal: .kill)
      }
      defer { deadline.cancel() }
      for try await piece in execution.standardOutput {
        shown += piece.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        if let line = typist.next(after: shown) {
          _ = try await execution.standardInputWriter.write(line + "\n")
        }
        guard !isEnding, typist.isDone, try await isDone(shown) else { continue }
        isEnding = true
        // It may be dead already, by its deadline or by itself.
        try? execution.send(signal: signal)
      }
      return shown
    }
    let status: Int32 =
      switch ended.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): 128 + signal
      }
    return (ended.closureResult, status)
  }
}

/// Decides what to type next: the user's name at a login prompt, then a command at each shell prompt.
private struct Typist {
  private var pending: [String]
  private var seen = 0

  init(commands: [String]) {
    pending = commands
  }

  private static let cursorQuery = "\u{1b}[6n"

  var isDone: Bool { pending.isEmpty }

  mutating func next(after shown: String) -> String? {
    // What was typed last is shown first, with a line's end: before that, it is the old prompt, which may come in parts.
    guard shown.utf8.dropFirst(seen).contains(UInt8(ascii: "\n")) else { return nil }
    var fresh = shown.suffix(200)
    // busybox's shell asks the terminal where its cursor is, behind each prompt.
    if fresh.hasSuffix(Self.cursorQuery) { fresh.removeLast(Self.cursorQuery.count) }
    if fresh.hasSuffix("login: ") {
      seen = shown.utf8.count
      return "root"
    }
    guard fresh.hasSuffix("# "), !pending.isEmpty else { return nil }
    seen = shown.utf8.count
    return pending.removeFirst()
  }
}
