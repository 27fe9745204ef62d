internal import Foundation
package import SystemPackage

/// Runs a test with a folder of its own, removed afterwards.
///
/// `SLIPWAY_KEEP_SCRATCH=1` keeps it and prints where it is.
package func withScratchDirectory<Result>(
  _ body: (FilePath) async throws -> Result
) async throws -> Result {
  let folder = FilePath(NSTemporaryDirectory()).appending("slipway-test-\(UUID().uuidString.prefix(8))")
  try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
  defer {
    if ProcessInfo.processInfo.environment["SLIPWAY_KEEP_SCRATCH"] == nil {
      try? FileManager.default.removeItem(atPath: folder.string)
    } else {
      print("kept \(folder)")
    }
  }
  return try await body(folder)
}
