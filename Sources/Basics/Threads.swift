internal import Glibc
package import SystemPackage

/// Starts a thread of its own for code that blocks: the cooperative pool has as many threads as cores, and
/// two blocked tasks would stop everything on a machine with two.
///
/// - Throws: `Errno` when the kernel has no thread left.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(Errno) {
  let box = Unmanaged.passRetained(ThreadBody(body))
  var thread = pthread_t()
  let code = pthread_create(&thread, nil, runThread, box.toOpaque())
  guard code == 0 else {
    box.release()
    throw Errno(rawValue: code)
  }
  pthread_detach(thread)
}

/// Runs code that blocks on a thread of its own, and waits for it without holding a thread of the pool.
///
/// When the task is cancelled, `Cancellation` says so to the code; it is waited for all the same.
package func onThread<Value: Sendable>(
  _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
  let flag = CancellationFlag()
  return try await withTaskCancellationHandler {
    try await withCheckedThrowingContinuation { continuation in
      do {
        try startThread {
          continuation.resume(with: Result { try Cancellation.$flag.withValue(flag, operation: body) })
        }
      } catch {
        continuation.resume(throwing: error)
      }
    }
  } onCancel: {
    flag.set()
  }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) {
    self.run = run
  }
}

private func runThread(_ box: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let box { Unmanaged<ThreadBody>.fromOpaque(box).takeRetainedValue().run() }
  return nil
}
