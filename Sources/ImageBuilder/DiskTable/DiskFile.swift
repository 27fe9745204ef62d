internal import Basics
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

  /// The file for what reads a format's structures.
  var image: ImageBytes { ImageBytes(size: size) { try bytes($0, at: $1) } }

  /// The sector of a number; empty past the end.
  func sector(_ number: UInt64, size: UInt64) throws(Errno) -> [UInt8] {
    let (offset, isTooLarge) = number.multipliedReportingOverflow(by: size)
    return isTooLarge ? [] : try bytes(Int(clamping: size), at: offset)
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
