internal import Basics
internal import CLinux
internal import Glibc
package import SystemPackage

/// An open regular file of the host.
struct SourceFile: ~Copyable {
  fileprivate let file: HostFile
  fileprivate let descriptor: CInt

  /// Opens it without waiting, following no link, and without a trace in its access time where that is
  /// allowed.
  init(_ file: HostFile) throws(Fault) {
    self.file = file
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    var descriptor = file.path.withPlatformString { open($0, flags | slipway_O_NOATIME) }
    if descriptor < 0, errno == EPERM { descriptor = file.path.withPlatformString { open($0, flags) } }
    guard descriptor >= 0 else {
      // It was no link when it was scanned.
      if errno == ELOOP { throw .sourceChanged(file.path, "it is a symbolic link now") }
      throw .source(file.path, doing: "open", Errno(rawValue: errno))
    }
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// Reads exactly these bytes.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(Fault) {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let count = pread(descriptor, base + done, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        let error = Errno(rawValue: errno)
        try checkUnchanged()
        throw .source(file.path, doing: "read", error)
      }
      guard count > 0 else {
        throw .sourceChanged(file.path, "it ends at \(offset + UInt64(done)) of \(file.size) bytes")
      }
      done += count
    }
  }

  /// Has a range of another file share these bytes, which are whole blocks.
  ///
  /// - Returns: whether the filesystem let it. A filesystem that refuses it once is not asked again.
  func share(_ range: Range<UInt64>, with output: CInt, at offset: UInt64, _ refusing: inout Set<dev_t>)
    -> Bool
  {
    var status = stat()
    guard fstat(descriptor, &status) == 0, !refusing.contains(status.st_dev) else { return false }
    let isShared =
      slipway_clone_range(
        descriptor, Int(range.lowerBound), Int(range.upperBound - range.lowerBound), output, Int(offset)) == 0
    if !isShared { refusing.insert(status.st_dev) }
    return isShared
  }

  /// The first byte at or after `offset` that is not in a hole; nil when only a hole is left.
  func data(from offset: UInt64) throws(Fault) -> UInt64? {
    guard file.mayHaveHoles else { return offset }
    let found = lseek(descriptor, off_t(offset), slipway_SEEK_DATA)
    if found >= 0 { return UInt64(found) }
    guard errno == ENXIO else { throw .source(file.path, doing: "look for holes", Errno(rawValue: errno)) }
    return nil
  }

  /// Throws unless the file is still what was scanned. To be called after the last read.
  func checkUnchanged() throws(Fault) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .source(file.path, doing: "examine", Errno(rawValue: errno))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .sourceChanged(file.path, "it is not a regular file any more")
    }
    guard UInt64(status.st_size) == file.size else {
      throw .sourceChanged(file.path, "it had \(file.size) bytes and has \(status.st_size)")
    }
    guard Timestamp(status.st_mtim) == file.modified else {
      throw .sourceChanged(file.path, "it was written to")
    }
  }
}

/// Bytes of a file to be, from wherever they are.
enum OpenContent: ~Copyable {
  case host(SourceFile)
  case bytes([UInt8])
  case parts(OpenParts)

  init(_ content: Node.Content) throws(Fault) {
    switch content {
    case .host(let file): self = .host(try SourceFile(file))
    case .bytes(let bytes): self = .bytes(bytes)
    case .parts(let parts): self = .parts(try OpenParts(parts))
    }
  }

  borrowing func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(Fault) {
    switch self {
    case .host(let file): try file.read(into: buffer, at: offset)
    case .bytes(let bytes): buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
    case .parts(let parts): try parts.read(into: buffer, at: offset)
    }
  }

  /// Has a range of another file share these bytes; false where that cannot be done.
  borrowing func share(
    _ range: Range<UInt64>, with output: CInt, at offset: UInt64, _ refusing: inout Set<dev_t>
  ) -> Bool {
    switch self {
    case .host(let file): file.share(range, with: output, at: offset, &refusing)
    case .bytes: false
    case .parts: false
    }
  }

  borrowing func data(from offset: UInt64) throws(Fault) -> UInt64? {
    switch self {
    case .host(let file): try file.data(from: offset)
    case .bytes: offset
    case .parts(let parts): parts.data(from: offset)
    }
  }

  borrowing func checkUnchanged() throws(Fault) {
    switch self {
    case .host(let file): try file.checkUnchanged()
    case .bytes: break
    case .parts: break
    }
  }
}

extension HostFile {
  /// Copies its bytes to an open, empty file, sharing blocks where the filesystem can.
  ///
  /// - Parameter failure: the error for a write that failed.
  /// - Throws: `Fault` when it cannot be read or has changed; `CancellationError` between two pieces.
  package func copy(to output: CInt, failure: (Errno) -> any Error) throws {
    let source = try SourceFile(self)
    try source.copy(to: output, failure: failure)
    try source.checkUnchanged()
  }
}

extension SourceFile {
  /// The most that is handed to the kernel at once: where it cannot share blocks, it copies them before it returns.
  private static let piece: UInt64 = 64 << 20

  fileprivate func copy(to output: CInt, failure: (Errno) -> any Error) throws {
    var position: off_t = 0
    // Not all filesystems share blocks, and no two of them.
    var shares = true
    while UInt64(position) < file.size {
      try Cancellation.check()
      let rest = Int(min(file.size - UInt64(position), Self.piece))
      var count = shares ? slipway_copy_range(descriptor, &position, output, UInt(rest)) : -1
      if count < 0 {
        shares = false
        count = sendfile(output, descriptor, &position, rest)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(Errno(rawValue: errno)) }
      guard count > 0 else {
        throw Fault.sourceChanged(file.path, "it ends at \(position) of \(file.size) bytes")
      }
    }
  }
}

extension Node.Content {
  /// Its length, in bytes.
  package var size: UInt64 {
    switch self {
    case .host(let file): file.size
    case .bytes(let bytes): UInt64(bytes.count)
    case .parts(let parts): parts.size
    }
  }
}

extension Timestamp {
  init(_ time: timespec) {
    self.init(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }
}
