internal import AgentProtocol
internal import Synchronization

/// Counts copied bytes of all workers, and shows them now and then.
final class CopyProgress: Sendable {
  private struct Count {
    var done: UInt64 = 0
    var shown: UInt64 = 0
  }

  private let total: UInt64
  private let step: UInt64
  private let emit: @Sendable (Event) -> Void
  private let count = Mutex(Count())

  /// - Parameter total: the bytes of the source's filesystem, its own structures included; so the copied
  ///   bytes come close to it, and `finish` makes up for the rest.
  init(total: UInt64, emit: @escaping @Sendable (Event) -> Void) {
    self.total = total
    self.step = max(total / 100, 1 << 20)
    self.emit = emit
  }

  func add(_ bytes: UInt64) {
    count.withLock { count in
      let (sum, overflow) = count.done.addingReportingOverflow(bytes)
      count.done = overflow ? total : min(sum, total)
      guard count.done - count.shown >= step else { return }
      count.shown = count.done
      // Under the lock, so that the numbers never go back.
      emit(.progress(done: count.done, total: total))
    }
  }

  func finish() {
    emit(.progress(done: total, total: total))
  }
}
