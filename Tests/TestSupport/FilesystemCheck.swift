internal import Command
package import SystemPackage

/// What e2fsck says about an ext4 filesystem in a file.
package enum FilesystemCheck {
  /// Checks everything, and changes nothing.
  ///
  /// - Returns: every line that is no sign of progress. e2fsck ends with 0 even when it offers to improve
  ///   something, as a directory or an extent tree that could be smaller.
  /// - Throws: `CommandFailure` when the filesystem has an error.
  package static func remarks(on image: FilePath) async throws -> [String] {
    let output = try await SubprocessRunner().run("e2fsck", "-fn", image.string)
    let lines = output.split(separator: "\n").map(String.init)
    let passes = lines.filter { $0.contains(#/^Pass [1-5]: /#) }
    guard passes.count == 5, lines.last?.contains(#/: \d+/\d+ files \(.*\), \d+/\d+ blocks$/#) == true else {
      return lines
    }
    return lines.dropLast().filter { !passes.contains($0) }
  }
}
