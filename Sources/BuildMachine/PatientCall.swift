internal import Basics

/// Calls libvirt within a limit.
///
/// libvirt waits without limit for a QEMU or a daemon that does not answer, and its calls heed no cancellation. What it
/// waits for is ended then, which ends its wait; a call that does not return even so is left behind.
struct PatientCall<Value: Sendable>: Sendable {
  /// What is attempted, as the end of "could not …".
  var attempt: String
  /// How long the call may take. Long, as a busy machine starts a QEMU in seconds.
  var limit = Duration.seconds(60)
  /// Ends what libvirt waits for; called again and again until the call returns.
  var relieve: @Sendable () -> Void
  /// Takes back what a call gives that nobody waits for any more.
  var dispose: @Sendable (Value) async -> Void = { _ in }

  /// How often the relief is tried, a tenth of a second apart.
  private static var tries: Int { 100 }

  /// - Throws: what the call throws; `Fault` when the limit has passed; `CancellationError`.
  func run(_ call: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let outcome = OneShot<Result<Value, any Error>>()
    // Not a child of this task: it may have to be left behind.
    Task.detached { [dispose] in
      let result = await result(of: call)
      if !outcome.set(result), case .success(let value) = result { await dispose(value) }
    }
    if let result = await outcome.get(within: limit) { return try result.get() }
    let end: any Error = Task.isCancelled ? CancellationError() : overdue
    // Nor is this one: it goes on when the task is cancelled.
    await Task.detached { [relieve] in
      for _ in 0..<Self.tries where outcome.value == nil {
        relieve()
        try? await Task.sleep(for: .milliseconds(100))
      }
    }.value
    if !outcome.set(.failure(end)), case .success(let value) = outcome.value { await dispose(value) }
    throw end
  }

  private var overdue: Fault {
    Fault(
      .failed, "could not \(attempt)",
      cause: "libvirt or its QEMU did not answer within \(limit.components.seconds) seconds",
      remedy: "See whether this host is overloaded; slipway doctor tries its QEMU")
  }
}

private func result<Value>(of call: () async throws -> Value) async -> Result<Value, any Error> {
  do { return .success(try await call()) } catch { return .failure(error) }
}
