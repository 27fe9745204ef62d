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
  ///   - limit: the most bytes that it may have.
  /// - Throws: `InputFault`; `CancellationError`, also while a stream says nothing.
  package static func read(_ path: String, limit: Int) throws -> [UInt8] {
    guard path != "-" else { return try readStandardInput(limit: limit) }
    return try faults(of: path, limit) { try WholeFile.read(FilePath(path), limit: limit) }
  }

  private static func readStandardInput(limit: Int) throws -> [UInt8] {
    let isTaken = isInputTaken.withLock { isTaken in
      defer { isTaken = true }
      return isTaken
    }
    guard !isTaken else { throw InputFault("-", "standard input was read already; '-' can be given once") }
    return try faults(of: "-", limit) { try WholeFile.read(.standardInput, named: "-", limit: limit) }
  }

  private static func faults<Result>(
    of path: String, _ limit: Int, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try body()
    } catch let failure as PathFailure where failure.reason == .fileTooLarge {
      throw InputFault(path, "it has more than the \(limit >> 10) KiB that are read at most")
    } catch let failure as PathFailure {
      throw InputFault(path, failure.reason.description)
    }
  }
}

/// A file of the user's that could not be read.
package struct InputFault: Error, Hashable, Sendable {
  /// The file as it was named.
  package let path: String
  /// Why it could not be read.
  package let reason: String

  package init(_ path: String, _ reason: String) {
    self.path = path
    self.reason = reason
  }
}

extension InputFault: CustomStringConvertible {
  package var description: String { "\(path == "-" ? "standard input" : path) cannot be read: \(reason)" }
}
