import Synchronization
import Testing

@testable import ImageBuilder

@Suite struct ConcurrentBootsTests {
  @Test(arguments: [
    (1024 as UInt64, 8, 64 << 10 as UInt64?, 8), (1024, 8, 4 << 10, 3), (1024, 2, nil, 2), (1024, 8, 100, 1),
    (.max, 8, 64 << 10, 1), (4096, 1, 64 << 10, 1),
  ]) func asManyAsTheHostHasRoomFor(memory: UInt64, processors: Int, available: UInt64?, count: Int) {
    #expect(ConcurrentBoots.fitting(memory: memory, processors: processors, available: available) == count)
  }

  @Test(arguments: 1...4) func resultsKeepTheirOrderAndNoMoreRunThanMay(limit: Int) async throws {
    let running = Mutex((now: 0, most: 0))
    let results = try await ConcurrentBoots(limit: limit).results(of: 0..<9) { index in
      running.withLock {
        $0.now += 1
        $0.most = max($0.most, $0.now)
      }
      // The first ones take the longest.
      try await Task.sleep(for: .milliseconds(20 - 2 * index))
      running.withLock { $0.now -= 1 }
      return index * 10
    }
    #expect(results == (0..<9).map { $0 * 10 })
    #expect(running.withLock { $0.most } <= limit)
  }

  @Test func theFirstErrorEndsTheOthers() async {
    let began = Mutex(0)
    await #expect(throws: CancellationError.self) {
      _ = try await ConcurrentBoots(limit: 2).results(of: 0..<9) { index in
        began.withLock { $0 += 1 }
        guard index > 0 else { throw CancellationError() }
        try await Task.sleep(for: .seconds(600))
      }
    }
    #expect(began.withLock { $0 } <= 3)
  }
}
