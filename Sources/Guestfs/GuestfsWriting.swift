internal import Basics
internal import CGuestfs

/// What is changed of a filesystem that is mounted. Paths have a slash in front.
extension Guestfs {
  /// Gives a file of what is mounted another content, or makes it.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func write(_ bytes: [UInt8], to path: [UInt8]) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    // One more byte than is written: an empty array has no address.
    let content = bytes.map { CChar(bitPattern: $0) } + [0]
    let result = library.write(handle, place, content, bytes.count)
    try check(result, "write a file")
  }

  /// Gives a part of a file of what is mounted other bytes.
  ///
  /// - Parameters:
  ///   - bytes: at most 1 MiB.
  ///   - path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func write(_ bytes: [UInt8], to path: [UInt8], at offset: UInt64) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    let content = bytes.map { CChar(bitPattern: $0) } + [0]
    let written = library.writeAt(handle, place, content, bytes.count, Int64(clamping: offset))
    guard written >= 0 else { throw fault("write into a file") }
    guard Int(written) == bytes.count else {
      throw Fault(.failed, "libguestfs wrote \(written) of \(bytes.count) bytes of a file")
    }
  }

  /// Makes a file of zeros on what is mounted.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func makeFile(_ path: [UInt8], size: Int32) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    try check(library.fill(handle, 0, size, place), "write a file of \(size) bytes")
  }

  /// Removes a file of what is mounted.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func remove(_ path: [UInt8]) throws {
    try Cancellation.check()
    try check(library.remove(handle, path.map { CChar(bitPattern: $0) } + [0]), "remove a file")
  }
}
