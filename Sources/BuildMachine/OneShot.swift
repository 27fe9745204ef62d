internal import Synchronization

/// A value that is set once and awaited by any number of tasks.
final class OneShot<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
    var nextWaiter = 0
  }

  private let state = Mutex(State())

  /// The value, if it is there yet.
  var value: Value? { state.withLock { $0.value } }

  /// Sets the value. Only the first call does anything; it returns true.
  @discardableResult
  func set(_ value: Value) -> Bool {
    let waiters: [CheckedContinuation<Value?, Never>]? = state.withLock { state in
      guard state.value == nil else { return nil }
      state.value = value
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    waiters?.forEach { $0.resume(returning: value) }
    return waiters != nil
  }

  /// Waits for the value.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  func get() async throws -> Value {
    let number = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    let value = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now: Value?? = state.withLock { state in
          if let value = state.value { return .some(value) }
          if Task.isCancelled { return .some(nil) }
          state.waiters[number] = continuation
          return .none
        }
        if let now { continuation.resume(returning: now) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: nil)
    }
    guard let value else { throw CancellationError() }
    return value
  }

  /// Waits for the value, at most this long.
  ///
  /// - Returns: nil when there is none in time, or when the task is cancelled.
  func get(within limit: Duration) async -> Value? {
    await withTaskGroup { group in
      group.addTask { try? await self.get() }
      group.addTask {
        try? await Task.sleep(for: limit)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
