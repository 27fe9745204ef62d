internal import Crypto
internal import Foundation
internal import SystemPackage
internal import Threads

/// SHA-256 of a file, read in pieces.
enum FileDigest {
  private static let piece = 4 << 20

  /// The digest in lower-case hexadecimal. Reads on a thread of its own, away from the tasks.
  static func sha256(of path: FilePath) async throws -> String {
    try await onThread { try read(path) }
  }

  private static func read(_ path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
      var hash = SHA256()
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
      defer { buffer.deallocate() }
      while case let count = try file.read(into: buffer), count > 0 {
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
      return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
  }
}
