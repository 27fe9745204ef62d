import Testing

@testable import AgentProtocol

@Suite("messages on their way to the host") struct SendQueueTests {
  private func decoded(_ frames: [[UInt8]]) throws -> [AgentMessage] {
    var decoder = FrameDecoder<AgentMessage>()
    return try frames.flatMap { try decoder.push($0) }
  }

  @Test func linesThatFitAreSentAndNoneIsLost() throws {
    var queue = SendQueue()
    var sent: [AgentMessage] = []
    for number in 0..<20_000 {
      while try queue.offer(.event(.log("line \(number)"))) == .full { sent += try decoded(queue.takeAll()) }
    }
    sent += try decoded(queue.takeAll())
    #expect(sent == (0..<20_000).map { .event(.log("line \($0)")) })
  }

  @Test(arguments: ["", "\u{1}", String(repeating: "\u{1}", count: 5000)])
  func whatIsSentIsBoundedForARequestAndForALife(line: String) throws {
    var queue = SendQueue(requestLimit: 300_000, lifeLimit: 800_000)
    var (bytes, messages) = (0, 0)
    for _ in 0..<4 {
      queue.beginRequest()
      var frames: [[UInt8]] = []
      for _ in 0..<5000 {
        while try queue.offer(.event(.log(line))) == .full { frames += queue.takeAll() }
      }
      _ = try queue.offer(.reply(id: 1))
      frames += queue.takeAll()
      #expect(frames.map(\.count).reduce(0, +) <= 300_000 + 1000)
      bytes += frames.map(\.count).reduce(0, +)
      messages += frames.count
    }
    #expect(bytes <= 800_000 + 4000)
    #expect(messages <= 800_000 / SendQueue.leastCost + 8)
  }

  @Test func whatWaitsIsBounded() throws {
    var queue = SendQueue()
    let line = String(repeating: "x", count: 4000)
    var taken = 0
    while try queue.offer(.event(.log(line))) == .done { taken += 1 }
    #expect(taken * 4000 <= SendQueue.waitingLimit)
    #expect(try queue.offer(.event(.warning("w"))) == .done)
    #expect(try queue.offer(.reply(id: 1)) == .done)
  }

  @Test func theHostTakesWhatAnAgentMaySend() {
    #expect(SendQueue.lifeLimit < AgentProtocol.receiveLimit)
    #expect(SendQueue.lifeLimit / SendQueue.leastCost < AgentProtocol.messageLimit)
  }

  @Test func whatIsLeftOutIsCountedBeforeTheReply() throws {
    var queue = SendQueue()
    let line = String(repeating: "x", count: 4000)
    var taken = 0
    for _ in 0..<3000 {
      while try queue.offer(.event(.log(line))) == .full { taken += queue.takeAll().count }
    }
    taken += queue.takeAll().count
    _ = try queue.offer(.reply(id: 1))
    let last = try decoded(queue.takeAll())
    #expect(
      last == [
        .event(.log("(\(3000 - taken) lines of output are left out: a step may print 8 MiB)")),
        .reply(id: 1),
      ])
  }

  @Test func onlyTheLatestProgressWaits() throws {
    var queue = SendQueue()
    for done in 0..<1000 { _ = try queue.offer(.event(.progress(done: UInt64(done), total: 1000))) }
    _ = try queue.offer(.event(.log("a")))
    _ = try queue.offer(.event(.progress(done: 1000, total: 1000)))
    #expect(
      try decoded(queue.takeAll()) == [
        .event(.progress(done: 999, total: 1000)), .event(.log("a")),
        .event(.progress(done: 1000, total: 1000)),
      ])
  }

  @Test("a failure fits a frame, whatever its command has printed")
  func failuresFit() throws {
    let line = String(repeating: "\u{1}", count: 100_000)
    let failure = StepFailure(
      message: line, command: line, output: Array(repeating: line, count: 200), remedy: line)
    var queue = SendQueue()
    _ = try queue.offer(.reply(id: 1, failure: failure))
    #expect(try decoded(queue.takeAll()).count == 1)
    _ = try queue.offer(.event(.warning(line)))
    #expect(try decoded(queue.takeAll()).count == 1)
  }
}
