import Basics
import Glibc
import SystemPackage

@testable import AgentProtocol
@testable import BuildMachine
@testable import ImageBuilder

extension Inputs {
  /// However the stream is cut, the same messages come out of it; none of their texts commands a terminal.
  static func agentFrames(_ bytes: [UInt8]) {
    for message in frames(AgentMessage.self, bytes) {
      switch message {
      case .hello(_, _, _, let build): checkTerminal(build)
      case .reply(_, nil): continue
      case .reply(_, let failure?):
        for text in [failure.message, failure.command ?? ""] + failure.output { checkTerminal(text) }
      case .event(.log(let text)), .event(.warning(let text)): checkTerminal(text)
      case .event(.heartbeat), .event(.progress): continue
      }
    }
  }

  static func hostFrames(_ bytes: [UInt8]) {
    _ = frames(HostMessage.self, bytes)
  }

  private static func frames<Message: Codable & Hashable>(_: Message.Type, _ bytes: [UInt8]) -> [Message] {
    // The first byte says how the stream is cut.
    let (size, stream) = (Int(bytes.first ?? 0) + 1, bytes.dropFirst())
    let whole = decode(Message.self, stream, in: max(stream.count, 1))
    precondition(
      whole == decode(Message.self, stream, in: size), "the cut of the stream changed its messages")
    for message in whole.messages {
      guard let frame = try? FrameCodec.encode(message) else { continue }
      var decoder = FrameDecoder<Message>()
      precondition((try? decoder.push(frame)) == [message], "a message changed by being sent on")
    }
    return whole.messages
  }

  private struct Decoded<Message: Hashable>: Equatable {
    var messages: [Message] = []
    var isBroken = false
  }

  private static func decode<Message: Codable & Hashable>(
    _: Message.Type, _ stream: ArraySlice<UInt8>, in size: Int
  ) -> Decoded<Message> {
    var decoder = FrameDecoder<Message>()
    var decoded = Decoded<Message>()
    for start in stride(from: stream.startIndex, to: stream.endIndex, by: size) {
      do {
        decoded.messages += try decoder.push(stream[start..<min(start + size, stream.endIndex)])
      } catch {
        checkTerminal(error.description)
        decoded.isBroken = true
        // What a push with a bad frame held is not passed on: cut off, it was.
        decoded.messages = []
        break
      }
    }
    return decoded
  }

  /// What a console shows is judged, and shown by its lines.
  static func console(_ bytes: [UInt8]) {
    checkTerminal(text(bytes))
    guard var verdict = freshVerdict else { preconditionFailure("'login:' is refused as a pattern") }
    // In eight pieces at most: each is read with what was read before it.
    let size = max(Int(bytes.first ?? 0) + 1, bytes.count / 8 + 1)
    for start in stride(from: 0, to: bytes.count, by: size) {
      switch verdict.read(text(Array(bytes[start..<min(start + size, bytes.count)]))) {
      case .open: continue
      case .up(let line), .lost(let line): checkTerminal(line)
      }
    }
    follow(bytes)
  }

  /// Made once: to compile its patterns takes longer than to judge an input.
  // Copied and never changed, on libFuzzer's one thread.
  nonisolated(unsafe) private static let freshVerdict = try? BootVerdict(expect: "login:")

  /// What is kept of a console file is bounded.
  private static func follow(_ bytes: [UInt8]) {
    guard ftruncate(consoleFile, 0) == 0, pwrite(consoleFile, bytes, bytes.count, 0) == bytes.count else {
      preconditionFailure("no file for the console")
    }
    let log = ConsoleLog(path: FilePath("/proc/self/fd/\(consoleFile)"))
    log.finish()
    precondition(log.lastLines.count <= ConsoleLog.keptLines)
    for line in log.lastLines { checkTerminal(line) }
  }

  /// A file without a name.
  private static let consoleFile = {
    var name = Array("/tmp/slipway-fuzz-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    return file
  }()

  /// Escaped text has nothing that a terminal obeys, and escaping it again changes nothing.
  private static func checkTerminal(_ text: String) {
    let escaped = TerminalText.escaped(text)
    precondition(
      escaped.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) },
      "escaped text has a control character")
    precondition(TerminalText.escaped(escaped) == escaped, "escaping twice is not escaping once")
  }
}
