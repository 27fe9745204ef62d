internal import Testing

@testable internal import BuildMachine

@Suite(.timeLimit(.minutes(1))) struct OneShotTests {
  @Test func givesEveryWaiterTheFirstValue() async throws {
    let shot = OneShot<Int>()
    async let early = shot.get()
    async let another = shot.get(within: .seconds(10))
    try await Task.sleep(for: .milliseconds(20))
    #expect(shot.set(1))
    #expect(!shot.set(2))
    #expect(try await early == 1)
    #expect(await another == 1)
    #expect(try await shot.get() == 1)
  }

  @Test func aWaitEndsWithItsTimeOrItsTask() async throws {
    let shot = OneShot<Int>()
    #expect(await shot.get(within: .milliseconds(20)) == nil)
    let task = Task { try await shot.get() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
