import Dispatch
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Basics

/// Code that blocks, beside tasks that must go on.
@Suite(.timeLimit(.minutes(1))) struct ThreadsTests {
  private struct Oddity: Error {}

  @Test func theValueOrTheErrorComesBack() async throws {
    #expect(try await onThread { 7 } == 7)
    await #expect(throws: Oddity.self) { try await onThread { throw Oddity() } }
  }

  @Test func eachBodyHasAThreadOfItsOwn() async throws {
    let barrier = DispatchSemaphore(value: 0)
    let started = Counter()
    let count = 4 * ProcessInfo.processInfo.activeProcessorCount
    let identifiers = try await withThrowingTaskGroup(of: pthread_t?.self) { group in
      for _ in 0..<count {
        group.addTask {
          try await onThread {
            started.add()
            barrier.wait()
            return pthread_self()
          }
        }
      }
      // More bodies block than the pool of tasks has threads: this one would never run on it.
      group.addTask {
        while started.value < count { await Task.yield() }
        for _ in 0..<count { barrier.signal() }
        return nil
      }
      return try await group.compactMap(\.self).reduce(into: [pthread_t]()) { $0.append($1) }
    }
    #expect(Set(identifiers).count == count)
  }

  @Test func aThreadThatNobodyWaitsForRunsItsBodyOnce() async throws {
    let (runs, sink) = AsyncStream.makeStream(of: pthread_t.self)
    try startThread {
      sink.yield(pthread_self())
      sink.finish()
    }
    var seen: [pthread_t] = []
    for await identifier in runs { seen.append(identifier) }
    #expect(seen.count == 1)
  }

  /// The body is told, and decides; what it returns then counts.
  @Test func aCancelledTaskTellsItsBodyAndWaitsForIt() async throws {
    let (begun, sink) = AsyncStream.makeStream(of: Void.self)
    let done = Counter()
    let deaf = Task {
      try await onThread {
        sink.yield()
        while !Cancellation.isRequested { usleep(1000) }
        usleep(50_000)
        done.add()
        return 7
      }
    }
    _ = await begun.first { true }
    deaf.cancel()
    #expect(try await deaf.value == 7)
    #expect(done.value == 1)
  }

  @Test func aLoopThatAsksEnds() async throws {
    let (begun, sink) = AsyncStream.makeStream(of: Void.self)
    let loop = Task {
      try await onThread {
        sink.yield()
        while true { try Cancellation.check() }
      }
    }
    _ = await begun.first { true }
    loop.cancel()
    await #expect(throws: CancellationError.self) { try await loop.value }
    // Another task's body is not meant.
    #expect(try await onThread { !Cancellation.isRequested })
  }

  @Test func aBodyOfATaskThatIsCancelledAlreadyKnowsIt() async throws {
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return try await onThread { Cancellation.isRequested }
    }
    task.cancel()
    #expect(try await task.value)
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  func add() { count.withLock { $0 += 1 } }
}
