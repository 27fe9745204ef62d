internal import Glibc
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
  /// - Throws: `InputFault`.
  package static func read(_ path: String, limit: Int) throws(InputFault) -> [UInt8] {
    guard path != "-" else { return try readStandardInput(limit: limit) }
    do {
      let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
      defer { try? file.close() }
      return try contents(of: file, named: path, limit: limit)
    } catch let fault as InputFault {
      throw fault
    } catch {
      throw InputFault(path, reason(error))
    }
  }

  private static func readStandardInput(limit: Int) throws(InputFault) -> [UInt8] {
    let isTaken = isInputTaken.withLock { isTaken in
      defer { isTaken = true }
      return isTaken
    }
    guard !isTaken else { throw InputFault("-", "standard input was read already; '-' can be given once") }
    do {
      return try contents(of: .standardInput, named: "-", limit: limit)
    } catch let fault as InputFault {
      throw fault
    } catch {
      throw InputFault("-", reason(error))
    }
  }

  private static func contents(
    of file: FileDescriptor, named path: String, limit: Int
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = try piece.withUnsafeMutableBytes { try file.read(into: $0) }
      guard count > 0 else { return bytes }
      bytes += piece[..<count]
      guard bytes.count <= limit else {
        throw InputFault(path, "it has more than the \(limit >> 10) KiB that are read at most")
      }
    }
  }

  private static func reason(_ error: any Error) -> String {
    (error as? Errno).map { String(cString: strerror($0.rawValue)) } ?? "\(error)"
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
