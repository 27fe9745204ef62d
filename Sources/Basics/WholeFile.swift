internal import CLinux
internal import Glibc
package import SystemPackage

/// Reads, writes and copies whole files of this machine. Paths are bytes, and a failure has the path and the reason.
package enum WholeFile {
  /// How much is read at once.
  private static let pieceRead = 256 << 10
  /// How much the kernel is given at once; a cancelled task ends in between.
  private static let pieceWritten = 16 << 20

  /// Reads a file to its end: one with a size, or a stream, such as a FIFO, whose writer is waited for.
  ///
  /// - Parameter limit: the most bytes that it may have.
  /// - Throws: `PathFailure`, with `Errno.fileTooLarge` beyond the limit; `CancellationError`.
  package static func read(_ path: FilePath, limit: Int = .max) throws -> [UInt8] {
    // The kernel would wait for the writer of a FIFO, and nothing would interrupt it.
    let file = path.withPlatformString { open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
    guard file >= 0 else { throw PathFailure("open", path, Errno(rawValue: errno)) }
    defer { close(file) }
    return try read(FileDescriptor(rawValue: file), named: path, limit: limit)
  }

  /// Reads an open file from where it is to its end.
  static func read(_ file: FileDescriptor, named path: FilePath, limit: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceRead, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      try Cancellation.check()
      var request = pollfd(fd: file.rawValue, events: Int16(POLLIN), revents: 0)
      guard poll(&request, 1, 100) != 0 else { continue }
      let count = Glibc.read(file.rawValue, buffer.baseAddress, buffer.count)
      if count < 0, errno == EAGAIN || errno == EINTR { continue }
      guard count >= 0 else { throw PathFailure("read", path, Errno(rawValue: errno)) }
      guard count > 0 else { return bytes }
      guard count <= limit - bytes.count else { throw PathFailure("read", path, .fileTooLarge) }
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// The first bytes of a file; fewer when it has no more.
  ///
  /// - Throws: `Errno`.
  package static func beginning(of path: FilePath, count: Int) throws(Errno) -> [UInt8] {
    let file = path.withPlatformString { open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
    guard file >= 0 else { throw Errno(rawValue: errno) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: count)
    let length = Glibc.read(file, &bytes, count)
    guard length >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(length))
  }

  /// Writes a file, in the place of what it had.
  ///
  /// - Parameter mode: what a new file gets, but for the bits of the process's mask.
  /// - Throws: `PathFailure`; `CancellationError` between two pieces.
  package static func write(_ bytes: [UInt8], to path: FilePath, mode: UInt32 = 0o644) throws {
    let file = try opened(path, O_CREAT | O_TRUNC | O_WRONLY, mode, to: "write")
    do {
      try put(bytes, into: file, named: path)
    } catch {
      close(file)
      throw error
    }
    guard close(file) == 0 else { throw PathFailure("write", path, Errno(rawValue: errno)) }
  }

  /// Copies the bytes of a file into a new one, inside the kernel. A link is followed.
  ///
  /// - Throws: `PathFailure` of the file that is to blame; `CancellationError` between two pieces.
  package static func copy(_ source: FilePath, to path: FilePath, mode: UInt32 = 0o644) throws {
    let input = try opened(source, O_RDONLY, 0, to: "open")
    defer { close(input) }
    let output = try opened(path, O_CREAT | O_EXCL | O_WRONLY, mode, to: "make")
    do {
      while true {
        try Cancellation.check()
        let count = sendfile(output, input, nil, pieceWritten)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw PathFailure("copy \(source) to", path, Errno(rawValue: errno)) }
        if count == 0 { break }
      }
    } catch {
      close(output)
      throw error
    }
    guard close(output) == 0 else { throw PathFailure("write", path, Errno(rawValue: errno)) }
  }

  /// Makes a file that is there as a whole or not at all, and that has no name before: a process that is killed leaves
  /// nothing.
  ///
  /// - Parameters:
  ///   - path: its place.
  ///   - temporary: nil to refuse a place that is taken. Otherwise a name in the same folder that is this call's alone:
  ///     the file has it for the moment in which it takes the place, and on a filesystem that has only files with names
  ///     all the time. What an earlier call left by that name is removed.
  ///   - mode: what it gets, but for the bits of the process's mask.
  ///   - fill: writes it.
  /// - Throws: `PathFailure`, and what `fill` throws.
  package static func make(
    _ path: FilePath, replacingBy temporary: FilePath? = nil, mode: UInt32 = 0o644,
    _ fill: (FileDescriptor) throws -> Void
  ) throws {
    let parent = path.removingLastComponent()
    let flags = slipway_O_TMPFILE | O_DIRECTORY | O_WRONLY | O_CLOEXEC
    let nameless = (parent.isEmpty ? "." : parent).withPlatformString { open($0, flags, mode) }
    guard nameless >= 0 else {
      guard [EOPNOTSUPP, EISDIR, EINVAL].contains(errno) else {
        throw PathFailure("make", path, Errno(rawValue: errno))
      }
      return try makeNamed(path, replacingBy: temporary, mode: mode, fill)
    }
    let file = FileDescriptor(rawValue: nameless)
    try file.closeAfter {
      try fill(file)
      if let temporary { unlinkPath(temporary) }
      try name(file, temporary ?? path)
      if let temporary { try rename(temporary, to: path) }
    }
  }

  /// The same where a file has a name from the start, as on FAT and NFS.
  static func makeNamed(
    _ path: FilePath, replacingBy temporary: FilePath?, mode: UInt32, _ fill: (FileDescriptor) throws -> Void
  ) throws {
    guard temporary != nil || (try? FileStatus(of: path, followingLinks: false)) == nil else {
      throw PathFailure("make", path, .fileExists)
    }
    let name = temporary ?? path.removingLastComponent().appending(ClaimedFolder.uniqueName(".slipway-"))
    unlinkPath(name)
    let file = FileDescriptor(rawValue: try opened(name, O_CREAT | O_EXCL | O_WRONLY, mode, to: "make"))
    do {
      try file.closeAfter { try fill(file) }
      try rename(name, to: path)
    } catch {
      unlinkPath(name)
      throw error
    }
  }

  private static func name(_ file: FileDescriptor, _ path: FilePath) throws(PathFailure) {
    let result = path.withPlatformString {
      linkat(AT_FDCWD, "/proc/self/fd/\(file.rawValue)", AT_FDCWD, $0, AT_SYMLINK_FOLLOW)
    }
    guard result == 0 else { throw PathFailure("make", path, Errno(rawValue: errno)) }
  }

  private static func rename(_ temporary: FilePath, to path: FilePath) throws(PathFailure) {
    do {
      try Folder.move(temporary, to: path)
    } catch {
      unlinkPath(temporary)
      throw error
    }
  }

  private static func unlinkPath(_ path: FilePath) {
    _ = path.withPlatformString { unlink($0) }
  }

  private static func opened(
    _ path: FilePath, _ flags: Int32, _ mode: UInt32, to attempt: String
  ) throws(PathFailure) -> Int32 {
    let file = path.withPlatformString { open($0, flags | O_CLOEXEC, mode) }
    guard file >= 0 else { throw PathFailure(attempt, path, Errno(rawValue: errno)) }
    return file
  }

  private static func put(_ bytes: [UInt8], into file: Int32, named path: FilePath) throws {
    var written = 0
    while written < bytes.count {
      if written > 0 { try Cancellation.check() }
      let count = bytes.withUnsafeBytes { bytes in
        let piece = min(bytes.count - written, pieceWritten)
        return Glibc.write(file, bytes.baseAddress.map { $0 + written }, piece)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw PathFailure("write", path, Errno(rawValue: errno)) }
      written += count
    }
  }
}
