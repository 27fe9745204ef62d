internal import Basics
internal import CLinux
internal import Glibc
internal import ImageModel
internal import SystemPackage

/// A raw disk that is read in pieces. What is past its end reads as nothing.
struct DiskFile {
  let path: FilePath
  /// Bytes of the whole disk.
  let size: UInt64
  private let file: FileDescriptor

  /// Reads a disk while `body` runs.
  ///
  /// - Throws: `Fault` when the file cannot be read.
  static func with<Result>(_ path: FilePath, _ body: (DiskFile) throws -> Result) throws -> Result {
    do {
      let file = try FileDescriptor.open(path, .readOnly)
      return try file.closeAfter {
        let size = try file.seek(offset: 0, from: .end)
        return try body(DiskFile(path: path, size: UInt64(clamping: size), file: file))
      }
    } catch let error as Errno {
      throw Fault(.failed, "could not read the disk \(path): \(error)")
    }
  }

  /// The bytes at an offset: fewer than `count` at the end of the disk, or none.
  func bytes(_ count: Int, at offset: UInt64) throws(Errno) -> [UInt8] {
    guard offset < size, let start = Int64(exactly: offset) else { return [] }
    let wanted = Int(min(UInt64(count), size - offset))
    var bytes = [UInt8](repeating: 0, count: wanted)
    var length = 0
    do {
      while length < wanted {
        let count = try bytes.withUnsafeMutableBytes { buffer in
          try file.read(
            fromAbsoluteOffset: start + Int64(length),
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]))
        }
        guard count > 0 else { break }
        length += count
      }
    } catch {
      throw error as? Errno ?? .ioError
    }
    return Array(bytes.prefix(length))
  }

  /// Fills a buffer from an offset on; what the disk does not have stays as it is.
  ///
  /// - Returns: the bytes that were read.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
    var length = 0
    while length < buffer.count, let place = Int64(exactly: offset + UInt64(length)) {
      let count = try file.read(
        fromAbsoluteOffset: place, into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]))
      guard count > 0 else { break }
      length += count
    }
    return length
  }

  /// The first byte at or after an offset that is not in a hole of the file; nil when only a hole is left.
  func nextData(from offset: UInt64) throws -> UInt64? {
    guard offset < size, let start = Int64(exactly: offset) else { return nil }
    return try file.nextData(from: start).map { UInt64($0) }
  }

  /// A part of the disk, as far as the disk goes, that is read as if there was nothing else.
  func part(_ place: Range<UInt64>) -> ImageBytes {
    let place = place.clamped(to: 0..<size)
    return ImageBytes(size: place.upperBound - place.lowerBound) { count, offset in
      let end = place.upperBound - place.lowerBound
      guard offset < end else { return [] }
      return try bytes(Int(min(UInt64(count), end - offset)), at: place.lowerBound + offset)
    }
  }

  /// The file for what reads a format's structures.
  var image: ImageBytes { ImageBytes(size: size) { try bytes($0, at: $1) } }

  /// The sector of a number; empty past the end.
  func sector(_ number: UInt64, size: UInt64) throws(Errno) -> [UInt8] {
    let (offset, isTooLarge) = number.multipliedReportingOverflow(by: size)
    return isTooLarge ? [] : try bytes(Int(clamping: size), at: offset)
  }
}

extension FileDescriptor {
  /// The first byte at or after `offset` that is not in a hole; nil when only a hole is left.
  func nextData(from offset: Int64) throws -> Int64? {
    let found = Glibc.lseek(rawValue, off_t(offset), slipway_SEEK_DATA)
    if found >= 0 { return Int64(found) }
    guard errno == ENXIO else { throw Errno(rawValue: errno) }
    return nil
  }
}

extension [UInt8] {
  /// Whether bytes are somewhere in it, in that order.
  func contains(_ bytes: [UInt8]) -> Bool {
    guard count >= bytes.count else { return false }
    return (0...count - bytes.count).contains { self[$0..<$0 + bytes.count].elementsEqual(bytes) }
  }

  /// Whether it has nothing but zeros.
  var isBlank: Bool { allSatisfy { $0 == 0 } }
}
