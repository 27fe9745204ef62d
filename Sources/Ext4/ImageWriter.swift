internal import Basics
internal import Glibc
internal import ImageModel
internal import SystemPackage

/// Writes blocks of the filesystem into the image file, past libext2fs's cache, in rows as long as they come.
///
/// A block of zeros is never written: the range reads as zeros from the start. Where the host's filesystem lets files share
/// blocks, whole blocks of a source are not written either, but shared (xfs, btrfs, bcachefs).
final class ImageWriter {
  /// The most that can be filled in at a time, in blocks. Small enough that the data is still in the
  /// processor's cache when it is written.
  static let pieceBlocks = 64
  private static let capacity = 256

  private let file: FileDescriptor
  private let path: FilePath
  private let offset: UInt64
  private let sharesBlocks: Bool
  /// Filesystems that do not share blocks with the image's.
  private var refusing: Set<dev_t> = []
  private let buffer: UnsafeMutableRawBufferPointer
  private var start: UInt64 = 0
  private var filled = 0
  private var reserved = 0

  /// Writes into an open file; `path` is for messages, `offset` is where block 0 is.
  init(_ file: FileDescriptor, path: FilePath, offset: ByteSize, sharesBlocks: Bool) {
    self.file = file
    self.path = path
    self.offset = offset.bytes
    self.sharesBlocks = sharesBlocks
    buffer = .allocate(byteCount: Self.capacity * Ext4Options.blockSize, alignment: Ext4Options.blockSize)
  }

  deinit {
    buffer.deallocate()
  }

  /// Memory for up to `pieceBlocks` blocks, to fill in and then to `commit`, from its front.
  ///
  /// Its content is whatever was there.
  func reserve(blocks: Int) throws(Fault) -> UnsafeMutableRawBufferPointer {
    if filled + blocks > Self.capacity { try flush() }
    reserved = blocks
    return memory(filled..<filled + blocks)
  }

  /// Says where the reserved memory goes: its first block.
  func commit(at block: UInt64) throws(Fault) {
    if filled > 0, block != start + UInt64(filled) {
      let rest = memory(filled..<filled + reserved)
      try flush()
      memory(0..<reserved).copyMemory(from: UnsafeRawBufferPointer(rest))
    }
    if filled == 0 { start = block }
    filled += reserved
    reserved = 0
  }

  /// Has a row of blocks be those of a file, without writing them.
  ///
  /// - Parameters:
  ///   - size: of the file, in bytes. Of its last block it may have a part only, which cannot be shared.
  ///   - first: where the row is in the file, in blocks.
  /// - Returns: how many blocks from the front of the row that was done for: all whole ones, or none.
  func share(_ run: BlockRun, of source: borrowing OpenContent, size: UInt64, at first: UInt64) -> UInt64 {
    let blockSize = UInt64(Ext4Options.blockSize)
    let whole = size / blockSize
    guard sharesBlocks, first < whole else { return 0 }
    let count = min(run.count, whole - first)
    let isShared = source.share(
      first * blockSize..<(first + count) * blockSize, with: file.rawValue,
      at: offset + run.start * blockSize, &refusing)
    return isShared ? count : 0
  }

  /// Writes what is pending.
  func flush() throws(Fault) {
    let size = Ext4Options.blockSize
    var block = 0
    while block < filled {
      while block < filled, isZero(block) { block += 1 }
      let begin = block
      while block < filled, !isZero(block) { block += 1 }
      guard block > begin else { break }
      do {
        let position = offset + (start + UInt64(begin)) * UInt64(size)
        try file.writeAll(toAbsoluteOffset: Int64(position), memory(begin..<block))
      } catch let error as Errno {
        throw .image(path, doing: "write", error)
      } catch {
        throw .image(path, doing: "write", .ioError)
      }
    }
    filled = 0
  }

  private func isZero(_ block: Int) -> Bool {
    UnsafeRawBufferPointer(memory(block..<block + 1)).isZero
  }

  private func memory(_ blocks: Range<Int>) -> UnsafeMutableRawBufferPointer {
    let size = Ext4Options.blockSize
    return UnsafeMutableRawBufferPointer(
      rebasing: buffer[blocks.lowerBound * size..<blocks.upperBound * size])
  }
}

extension UnsafeRawBufferPointer {
  /// Whether all bytes are 0. Nearly all data is told from zeros by its first word.
  var isZero: Bool {
    guard let base = baseAddress, count >= 8 else { return allSatisfy { $0 == 0 } }
    guard base.loadUnaligned(as: UInt64.self) == 0 else { return false }
    return memcmp(base, base + 8, count - 8) == 0
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Sets all bytes from an offset on to 0.
  func clear(from offset: Int) {
    UnsafeMutableRawBufferPointer(rebasing: self[offset...]).initializeMemory(as: UInt8.self, repeating: 0)
  }
}
