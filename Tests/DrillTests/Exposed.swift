import Command
import Foundation
import Synchronization
import SystemPackage

/// Files below a folder that every user can reach and read, gathered while something runs.
final class Exposed: Sendable {
  private let found = Mutex<Set<String>>([])

  var files: [String] { found.withLock { $0.sorted() } }

  func look(into folder: FilePath) {
    var pending = [folder.string]
    while let path = pending.popLast() {
      var status = stat()
      guard lstat(path, &status) == 0 else { continue }
      switch status.st_mode & S_IFMT {
      case S_IFDIR where status.st_mode & S_IXOTH != 0 || path == folder.string:
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        pending += names.map { "\(path)/\($0)" }
      case S_IFREG where status.st_mode & S_IROTH != 0: found.withLock { _ = $0.insert(path) }
      default: continue
      }
    }
  }
}

/// A command's output without its last line end.
enum SubprocessRunnerText {
  static func run(_ words: String...) async throws -> String {
    try await SubprocessRunner().run(Command(words[0], Array(words.dropFirst())))
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
