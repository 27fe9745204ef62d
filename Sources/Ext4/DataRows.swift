internal import Basics
internal import Ext4Geometry
internal import ImageModel

/// Finds which blocks of a file are kept, and which become holes.
///
/// What becomes a hole is decided by the content alone, so that a copy of a file gives the same image however its blocks are
/// kept: each whole chunk of zeros, counted from the start of the file, is one. Shorter rows of zeros get blocks, which keeps
/// files in few extents.
final class DataRows {
  /// Blocks in a chunk.
  private static let chunkBlocks: UInt64 = 16
  private static let chunkSize = Int(chunkBlocks) * Ext4Options.blockSize

  /// For the look at a chunk.
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkSize, alignment: 8)

  deinit {
    buffer.deallocate()
  }

  /// The first row of blocks that are kept, at or after a block. Reads no more of the file than tells where holes are.
  ///
  /// - Parameters:
  ///   - size: of the file, in bytes.
  ///   - first: where the row before ended, or 0.
  ///   - limit: where the row may be cut off, in blocks.
  /// - Returns: blocks of the file, by their places in it; nil when only a hole is left.
  /// - Throws: `Fault`, `CancellationError`.
  func next(
    in source: borrowing OpenContent, size: UInt64, from first: UInt64, limit: UInt64 = .max
  ) throws -> BlockRun? {
    let chunks = size / UInt64(Self.chunkSize)
    // A row ends with a chunk, or with the file.
    var chunk = first.dividedRoundingUp(by: Self.chunkBlocks)
    while chunk < chunks {
      let next = try chunkOfData(in: source, from: chunk, of: chunks)
      guard next > chunk else { break }
      chunk = next
    }
    let start = chunk * Self.chunkBlocks
    let all = size.dividedRoundingUp(by: UInt64(Ext4Options.blockSize))
    guard start < all else { return nil }
    var end = min(chunk + 1, chunks)
    while end < chunks, (end - chunk) * Self.chunkBlocks < limit,
      try chunkOfData(in: source, from: end, of: chunks) == end
    { end += 1 }
    // What is left behind the last whole chunk is no hole.
    return BlockRun(start: start, count: (end == chunks ? all : end * Self.chunkBlocks) - start)
  }

  /// The chunk itself where it is not all zeros, or a later one up to which all are.
  private func chunkOfData(
    in source: borrowing OpenContent, from chunk: UInt64, of chunks: UInt64
  ) throws -> UInt64 {
    try Cancellation.check()
    // A hole of the source may be skipped as far as it would be found to be zeros.
    let position = chunk * UInt64(Self.chunkSize)
    guard let data = try source.data(from: position) else { return chunks }
    let next = min(data / UInt64(Self.chunkSize), chunks)
    if next > chunk { return next }
    return try isZero(source, at: position) ? chunk + 1 : chunk
  }

  /// Looks at a chunk's first bytes, and at the rest only if these are zeros.
  private func isZero(_ source: borrowing OpenContent, at position: UInt64) throws(Fault) -> Bool {
    for range in [0..<64, 64..<Self.chunkSize] {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[range])
      try source.read(into: part, at: position + UInt64(range.lowerBound))
      guard UnsafeRawBufferPointer(part).isZero else { return false }
    }
    return true
  }
}
