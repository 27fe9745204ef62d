/// Runs code in a task that is cancelled already: what heeds it ends before it has done anything.
package func whenCancelled(_ body: @escaping @Sendable () async throws -> Void) async throws {
  let task = Task {
    withUnsafeCurrentTask { $0?.cancel() }
    try await body()
  }
  try await task.value
}
