import AgentProtocol
import Testing

@Suite struct FrameCodecTests {
  private let messages: [AgentMessage] = [
    .hello(build: "b1"),
    .event(.heartbeat),
    .event(.log("mkfs.vfat: \u{1b}[31mdone")),
    .event(.warning("activation exited with status 1")),
    .event(.progress(done: 3, total: Event.progressLimit)),
    .reply(id: 1),
    .reply(id: 2, failure: StepFailure(message: "m", command: "c", output: ["o"])),
  ]

  @Test func messagesSurviveAnySplitOfTheStream() throws {
    let stream = try messages.flatMap { try FrameCodec.encode($0) }
    for size in [1, 2, 3, 5, 7, 64, stream.count] {
      var decoder = FrameDecoder<AgentMessage>()
      var decoded: [AgentMessage] = []
      for start in stride(from: 0, to: stream.count, by: size) {
        decoded += try decoder.push(stream[start..<min(start + size, stream.count)])
      }
      try decoder.finish()
      #expect(decoded == messages)
    }
  }

  @Test func aLengthOverTheLimitIsRefusedBeforeItsPayloadArrives() {
    var decoder = FrameDecoder<AgentMessage>()
    #expect(throws: FrameError.tooLong(0xffff_ffff)) { try decoder.push([0xff, 0xff, 0xff, 0xff]) }
  }

  @Test func anEmptyFrameIsRefused() {
    var decoder = FrameDecoder<AgentMessage>()
    #expect(throws: FrameError.empty) { try decoder.push([0, 0, 0, 0]) }
  }

  @Test func aStreamThatEndsInsideAFrameIsTruncated() throws {
    var decoder = FrameDecoder<AgentMessage>()
    _ = try decoder.push(FrameCodec.encode(AgentMessage.event(.heartbeat)).dropLast())
    #expect(throws: FrameError.self) { try decoder.finish() }
  }

  @Test func aMessageOverTheLimitIsNotSent() {
    let message = AgentMessage.event(.log(String(repeating: "x", count: FrameCodec.payloadLimit)))
    #expect(throws: FrameError.self) { try FrameCodec.encode(message) }
  }

  @Test(arguments: [
    "null", "{}", "[]", "17", "{\"reply\":{}}", "{\"event\":{\"_0\":{\"unheard\":{}}}}",
    "{\"event\":{\"_0\":{\"heartbeat\":{}}},\"reply\":{\"id\":1}}", "{\"reply\":{\"id\":\"1\"}}",
    "\u{fffd}", "{",
  ])
  func jsonThatIsNoMessageIsMalformed(payload: String) {
    var decoder = FrameDecoder<AgentMessage>()
    #expect(throws: FrameError.self) { try decoder.push(frame(payload)) }
  }

  @Test func fieldsOfANewerPeerArePassedOver() throws {
    var decoder = FrameDecoder<AgentMessage>()
    #expect(
      try decoder.push(frame(#"{"reply":{"id":4,"mood":"fine"},"trace":"x"}"#)) == [.reply(id: 4)])
  }

  @Test func damagedStreamsNeverCrash() throws {
    var random = SplitMix(state: 2024)
    let stream = try messages.flatMap { try FrameCodec.encode($0) }
    for _ in 0..<5_000 {
      var damaged = stream
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      var decoder = FrameDecoder<AgentMessage>()
      if let decoded = try? decoder.push(damaged) { #expect(decoded.count <= messages.count) }
    }
  }

  private func frame(_ payload: String) -> [UInt8] {
    let bytes = Array(payload.utf8)
    return [0, 0, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
  }
}

/// SplitMix64: a seeded generator, so that a failure can be repeated.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
