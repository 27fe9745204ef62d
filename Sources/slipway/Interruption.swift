internal import Dispatch
internal import Glibc

/// Runs a task that SIGINT and SIGTERM cancel, so that it can take its machine down and remove its files.
///
/// - Throws: whatever `body` throws; `CancellationError` after a signal.
func cancellingOnSignals<Result: Sendable>(
  _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let task = Task { try await body() }
  let sources = [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { task.cancel() }
    source.resume()
    return source
  }
  defer { for source in sources { source.cancel() } }
  do {
    return try await task.value
  } catch {
    // What fails because its machine was taken down under it was interrupted, not broken.
    if task.isCancelled { throw CancellationError() }
    throw error
  }
}
