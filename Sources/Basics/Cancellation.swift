internal import Synchronization

/// Whether the work that runs here should stop: asked by every loop over bytes, on a task or on a thread of `onThread`.
package enum Cancellation {
  @TaskLocal static var flag: CancellationFlag?

  /// Whether the task was cancelled that this code runs for.
  package static var isRequested: Bool { Task.isCancelled || flag?.isSet == true }

  /// - Throws: `CancellationError` once the task was cancelled.
  package static func check() throws {
    if isRequested { throw CancellationError() }
  }
}

/// Carries a task's cancellation to the thread that works for it.
final class CancellationFlag: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }

  func set() {
    flag.store(true, ordering: .relaxed)
  }
}
