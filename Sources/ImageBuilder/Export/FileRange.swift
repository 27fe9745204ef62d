internal import Basics
internal import Glibc
internal import SystemPackage

/// Copies a file, or a part of it, into a part of another.
enum FileRange {
  /// The most bytes handed to the kernel at once.
  private static let piece = 16 << 20

  /// Copies inside the kernel, without a buffer here.
  ///
  /// - Throws: `Fault`.
  static func copy(
    _ range: Range<UInt64>? = nil, of source: FilePath, to destination: FilePath, at offset: UInt64
  ) async throws {
    try await onThread {
      do {
        let input = try FileDescriptor.open(source, .readOnly)
        try input.closeAfter {
          let output = try FileDescriptor.open(destination, .writeOnly)
          try output.closeAfter { try copy(range, of: input, to: output, at: offset) }
        }
      } catch let error as Errno {
        throw Fault(PathFailure("copy \(source) into", destination, error))
      }
    }
  }

  private static func copy(
    _ range: Range<UInt64>?, of input: FileDescriptor, to output: FileDescriptor, at offset: UInt64
  ) throws {
    try output.seek(offset: Int64(offset), from: .start)
    var position = off_t(range?.lowerBound ?? 0)
    let end = range.map { off_t($0.upperBound) } ?? .max
    while position < end {
      try Cancellation.check()
      let count = sendfile(output.rawValue, input.rawValue, &position, min(piece, Int(end - position)))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Errno(rawValue: errno) }
      guard count > 0 else { return }
    }
  }
}
