internal import Dispatch

private let queue = DispatchQueue(label: "org.slipway.nix-store", attributes: .concurrent)

/// Runs work that waits for the disk on a thread of its own, off the cooperative pool: on a machine with two
/// cores, two waiting tasks would stop all others.
func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    queue.async { continuation.resume(with: Result(catching: work)) }
  }
}
