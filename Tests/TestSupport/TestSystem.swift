internal import Command
internal import Foundation

/// The systems of `Tests/Systems`.
package enum TestSystem {
  /// The store path of a test system, built now unless it is there.
  package static func path(_ name: String) async throws -> String {
    try await SubprocessRunner().run(repository("Tests/Systems/build"), name)
  }

  /// A file of the repository.
  package static func repository(_ path: String) -> String {
    var folder = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    return folder.appendingPathComponent(path).path
  }
}
