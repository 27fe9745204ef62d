internal import Command
internal import Foundation
package import SystemPackage

/// A folder as nixpkgs' `closureInfo` makes it.
package enum ClosureInfo {
  /// Writes `registration` and `store-paths` of a system's closure.
  ///
  /// - Parameters:
  ///   - part: leaves out the paths whose names hold this text, so that the closure is not one.
  ///   - others: registered paths that the system does not need.
  package static func write(
    of system: String, to folder: FilePath, without part: String? = nil, with others: [String] = []
  ) async throws {
    let runner = SubprocessRunner()
    let listing = try await runner.run("nix-store", "--query", "--requisites", system)
    var paths = listing.split(separator: "\n").map(String.init).filter { path in
      part.map { !path.contains($0) } ?? true
    }
    paths += others
    let registration = try await runner.run(Command("nix-store", ["--dump-db"] + paths))
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    try (paths.joined(separator: "\n") + "\n").write(
      toFile: folder.appending("store-paths").string, atomically: true, encoding: .utf8)
    try (registration + "\n").write(
      toFile: folder.appending("registration").string, atomically: true, encoding: .utf8)
  }
}
