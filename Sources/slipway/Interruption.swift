internal import Basics
internal import Dispatch
internal import Glibc

/// Runs a task that SIGINT and SIGTERM cancel, so that it can take its machine down and remove its files. A second
/// signal ends this process at once: its watchdog does the rest.
///
/// - Throws: whatever `body` throws; `CancellationError` after a signal.
func cancellingOnSignals<Result: Sendable>(
  _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let task = Task { try await body() }
  let queue = DispatchQueue(label: "signals")
  let sources = [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
    source.setEventHandler {
      guard task.isCancelled else { return task.cancel() }
      ProgressOutput.standardError.write(
        line: "slipway: interrupted again; what is left is removed in the background")
      // Not exit(3): it waits for the watchdog.
      _exit(ExitStatus.interrupted.rawValue)
    }
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
