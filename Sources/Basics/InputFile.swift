internal import Synchronization
internal import SystemPackage

/// Reads the files that a user names: specs, scripts, keys, certificates. The one place for it.
///
/// A file may be a stream, such as `/dev/stdin` or the FIFO that a shell makes of `<(command)`: it is read once, to its
/// end. `-` is standard input, which can be read once in a process. `./-` is a file of that name.
package enum InputFile {
  /// The most that a spec or a script may have, in bytes.
  package static let textLimit = 16 << 20
  /// The most that a key or a file of certificates may have, in bytes.
  package static let keyLimit = 1 << 20

  private static let isInputTaken = Mutex(false)

  /// Reads a file to its end.
  ///
  /// - Parameters:
  ///   - path: the file, or `-`.
  ///   - what: what the file is: `the certificate`.
  ///   - limit: the most bytes that it may have.
  /// - Throws: `Fault` of kind `badInput`; `CancellationError`, also while a stream says nothing.
  package static func read(_ path: String, _ what: String, limit: Int) throws -> [UInt8] {
    func unreadable(_ cause: String) -> Fault {
      Fault(
        .badInput, "\(what), \(path == "-" ? "standard input" : path) cannot be read", cause: cause,
        remedy: "Check its path and permissions")
    }
    do {
      guard path == "-" else { return try WholeFile.read(FilePath(path), limit: limit) }
      let isTaken = isInputTaken.withLock { isTaken in
        defer { isTaken = true }
        return isTaken
      }
      guard !isTaken else { throw unreadable("standard input was read already; '-' can be given once") }
      return try WholeFile.read(.standardInput, named: "-", limit: limit)
    } catch let failure as PathFailure where failure.reason == .fileTooLarge {
      throw unreadable("it has more than the \(limit >> 10) KiB that are read at most")
    } catch let failure as PathFailure {
      throw unreadable(failure.reason.description)
    }
  }
}
