internal import Basics
internal import Crypto
internal import Foundation
internal import SystemPackage

/// SHA-256 of a file, read in pieces.
enum FileDigest {
  private static let piece = 1 << 20

  /// The digest in lower-case hexadecimal. Reads on a thread of its own, away from the tasks.
  ///
  /// Holes are hashed as the zeros that they are, at the speed of the processor: some half a second for each gigabyte.
  ///
  /// - Throws: `Fault`; `CancellationError` between two pieces.
  static func sha256(of path: FilePath) async throws -> String {
    try await onThread {
      do {
        return try read(path)
      } catch let error as Errno {
        throw Fault(PathFailure("read", path, error))
      }
    }
  }

  /// The digest of a file that is written to its disk meanwhile: what is read here is in memory.
  ///
  /// - Throws: as `sha256(of:)`.
  static func sha256(flushing path: FilePath) async throws -> String {
    async let flushed: Void = onThread { try HostFiles.synchronise(path) }
    let digest = try await sha256(of: path)
    try await flushed
    return digest
  }

  private static func read(_ path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
      var hash = SHA256()
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
      let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
      zeros.initializeMemory(as: UInt8.self, repeating: 0)
      defer {
        buffer.deallocate()
        zeros.deallocate()
      }
      let size = try file.seek(offset: 0, from: .end)
      var position: Int64 = 0
      while position < size {
        try Cancellation.check()
        // A hole is hashed, but not read.
        let data = try file.nextData(from: position) ?? size
        while position < data {
          try Cancellation.check()
          let count = Int(min(data - position, Int64(piece)))
          hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: zeros[..<count]))
          position += Int64(count)
        }
        guard position < size else { break }
        let count = try file.read(fromAbsoluteOffset: position, into: buffer)
        guard count > 0 else { throw Errno.ioError }
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        position += Int64(count)
      }
      return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
  }
}
