package import Basics
internal import Glibc
internal import SystemPackage

/// The pieces of a file, opened.
package struct OpenParts: ~Copyable {
  private let parts: FileParts
  private let descriptor: CInt

  package init(_ parts: FileParts) throws(Fault) {
    descriptor = parts.path.withPlatformString { open($0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
    guard descriptor >= 0 else { throw .source(parts.path, doing: "open", Errno(rawValue: errno)) }
    self.parts = parts
  }

  deinit {
    close(descriptor)
  }

  /// Reads these bytes, zeros where no piece is.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at position: UInt64) throws(Fault) {
    buffer.clear(from: 0)
    let end = position + UInt64(buffer.count)
    var index = firstPiece(after: position)
    while index < parts.pieces.count, parts.pieces[index].position < end {
      let piece = parts.pieces[index]
      let begin = max(piece.position, position)
      let count = Int(min(piece.position + piece.length, end) - begin)
      let start = Int(begin - position)
      try fill(
        UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + count]),
        at: piece.offset + (begin - piece.position))
      index += 1
    }
  }

  /// The first byte at or after `position` that is in a piece; nil when none is.
  func data(from position: UInt64) -> UInt64? {
    let index = firstPiece(after: position)
    guard index < parts.pieces.count else { return nil }
    return max(parts.pieces[index].position, position)
  }

  /// The index of the first piece that ends after `position`.
  private func firstPiece(after position: UInt64) -> Int {
    var (low, high) = (0, parts.pieces.count)
    while low < high {
      let middle = (low + high) / 2
      let piece = parts.pieces[middle]
      if piece.position + piece.length > position { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(Fault) {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let count = pread(descriptor, base + done, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .source(parts.path, doing: "read", Errno(rawValue: errno)) }
      guard count > 0 else { throw .sourceChanged(parts.path, "it is shorter than what was found in it") }
      done += count
    }
  }
}
