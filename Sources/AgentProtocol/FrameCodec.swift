internal import FoundationEssentials

/// Frames on the agent's port: a big-endian 32-bit payload length, then that many bytes of JSON.
package enum FrameCodec {
  /// The longest payload, in bytes. Checked before anything is allocated; bulk never travels on this port.
  package static let payloadLimit = 1 << 20
  static let headerSize = 4

  /// One message as a frame.
  ///
  /// - Throws: `FrameError.tooLong` when the message does not fit a frame.
  package static func encode(_ message: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let payload = try encoder.encode(message)
    guard payload.count <= payloadLimit else { throw FrameError.tooLong(payload.count) }
    let length = UInt32(payload.count)
    return (0..<headerSize).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + payload
  }
}

/// What is wrong with bytes that should have been frames. The stream is of no use afterwards, which each side ends in its
/// own way.
package enum FrameError: Error, Hashable, Sendable {
  /// A frame announces a payload of this many bytes.
  case tooLong(Int)
  /// A frame announces an empty payload.
  case empty
  /// A payload is not the JSON of a message of this version.
  case malformed(String)
  /// The stream ended inside a frame, after this many of its bytes.
  case truncated(Int)
}

extension FrameError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooLong(let count):
      "a frame of \(count) bytes is over the limit of \(FrameCodec.payloadLimit) bytes"
    case .empty: "a frame has no payload"
    case .malformed(let why): "a frame is not a message of this version: \(why)"
    case .truncated(let count): "the stream ended inside a frame, \(count) bytes after its start"
    }
  }
}

/// Turns a byte stream that arrives in pieces into messages. Holds one frame at most.
package struct FrameDecoder<Message: Decodable> {
  private var buffer: [UInt8] = []

  package init() {}

  /// Takes the next bytes of the stream, and returns the messages that they complete.
  ///
  /// - Throws: `FrameError` at the first bad frame; the decoder must not be used again.
  package mutating func push(_ bytes: some Collection<UInt8>) throws(FrameError) -> [Message] {
    buffer.append(contentsOf: bytes)
    var messages: [Message] = []
    var start = 0
    while let end = try frameEnd(from: start) {
      messages.append(try decode(buffer[(start + FrameCodec.headerSize)..<end]))
      start = end
    }
    buffer.removeFirst(start)
    return messages
  }

  /// Says that the stream has ended.
  ///
  /// - Throws: `FrameError.truncated` when it ended inside a frame.
  package func finish() throws(FrameError) {
    guard buffer.isEmpty else { throw .truncated(buffer.count) }
  }

  /// The offset after the frame that starts at `start`; nil while it is incomplete.
  private func frameEnd(from start: Int) throws(FrameError) -> Int? {
    guard buffer.count - start >= FrameCodec.headerSize else { return nil }
    let length = buffer[start..<(start + FrameCodec.headerSize)].reduce(0) { $0 << 8 | Int($1) }
    guard length > 0 else { throw .empty }
    guard length <= FrameCodec.payloadLimit else { throw .tooLong(length) }
    let end = start + FrameCodec.headerSize + length
    return end <= buffer.count ? end : nil
  }

  private func decode(_ payload: ArraySlice<UInt8>) throws(FrameError) -> Message {
    do {
      return try JSONDecoder().decode(Message.self, from: Data(payload))
    } catch let DecodingError.dataCorrupted(context) {
      throw .malformed(context.debugDescription)
    } catch {
      throw .malformed(String(describing: error))
    }
  }
}
