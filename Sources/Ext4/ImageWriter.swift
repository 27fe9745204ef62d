internal import Basics
internal import Glibc
internal import ImageModel
internal import SystemPackage

/// Writes blocks of the filesystem into the image file, past libext2fs's cache, in rows as long as they come.
///
/// A block of zeros is never written: the range reads as zeros from the start.
final class ImageWriter {
  /// The most that can be filled in at a time, in blocks. Small enough that the data is still in the
  /// processor's cache when it is written.
  static let pieceBlocks = 64
  private static let capacity = 256

  private let file: FileDescriptor
  private let path: FilePath
  private let offset: UInt64
  private let buffer: UnsafeMutableRawBufferPointer
  private var start: UInt64 = 0
  private var filled = 0
  private var reserved = 0

  /// Writes into an open file; `path` is for messages, `offset` is where block 0 is.
  init(_ file: FileDescriptor, path: FilePath, offset: ByteSize) {
    self.file = file
    self.path = path
    self.offset = offset.bytes
    buffer = .allocate(byteCount: Self.capacity * Ext4Options.blockSize, alignment: Ext4Options.blockSize)
  }

  deinit {
    buffer.deallocate()
  }

  /// Memory for up to `pieceBlocks` blocks, to fill in and then to `commit` or `drop`, from its front.
  ///
  /// Its content is whatever was there.
  func reserve(blocks: Int) throws(Fault) -> UnsafeMutableRawBufferPointer {
    if filled + blocks > Self.capacity { try flush() }
    reserved = blocks
    return memory(filled..<filled + blocks)
  }

  /// Says where the first blocks of the reserved memory go.
  func commit(_ run: BlockRun) throws(Fault) {
    if filled > 0, run.start != start + UInt64(filled) {
      let rest = memory(filled..<filled + reserved)
      try flush()
      memory(0..<reserved).copyMemory(from: UnsafeRawBufferPointer(rest))
    }
    if filled == 0 { start = run.start }
    filled += Int(run.count)
    reserved -= Int(run.count)
  }

  /// Forgets the first blocks of the reserved memory; what is behind them moves forward.
  func drop(blocks: Int) {
    reserved -= blocks
    let rest = memory(filled + blocks..<filled + blocks + reserved)
    memory(filled..<filled + reserved).copyMemory(from: UnsafeRawBufferPointer(rest))
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
