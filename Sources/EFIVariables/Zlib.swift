internal import CZlib

/// Compressed data in zlib's format (RFC 1950), as a whole in memory.
enum Zlib {
  /// The checksum of the preset dictionary that the data was compressed with; nil when there was none.
  static func dictionaryChecksum(of data: [UInt8]) -> UInt32? {
    guard data.count >= 6, data[1] & 0x20 != 0 else { return nil }
    return data[2..<6].reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Adler-32, by which a dictionary is named.
  static func checksum(of dictionary: [UInt8]) -> UInt32 {
    UInt32(truncatingIfNeeded: adler32(1, dictionary, UInt32(clamping: dictionary.count)))
  }

  /// - Throws: `EFIFault` when there is no memory for it.
  static func compress(_ bytes: [UInt8], dictionary: [UInt8]?) throws(EFIFault) -> [UInt8] {
    try withStream { stream throws(EFIFault) in
      let size = Int32(MemoryLayout<z_stream>.size)
      guard deflateInit_(stream, Z_BEST_COMPRESSION, ZLIB_VERSION, size) == Z_OK else { throw noMemory }
      defer { deflateEnd(stream) }
      if let dictionary { deflateSetDictionary(stream, dictionary, UInt32(clamping: dictionary.count)) }
      var output = [UInt8](repeating: 0, count: Int(deflateBound(stream, UInt(bytes.count))))
      let code = bytes.withUnsafeBufferPointer { input in
        output.withUnsafeMutableBufferPointer { output in
          stream.pointee.next_in = input.baseAddress
          stream.pointee.avail_in = UInt32(clamping: input.count)
          stream.pointee.next_out = output.baseAddress
          stream.pointee.avail_out = UInt32(clamping: output.count)
          return deflate(stream, Z_FINISH)
        }
      }
      guard code == Z_STREAM_END else { throw noMemory }
      return Array(output.prefix(Int(stream.pointee.total_out)))
    }
  }

  /// - Parameters:
  ///   - data: the compressed data, and nothing behind it.
  ///   - dictionary: what it was compressed with.
  ///   - limit: the most bytes that come of it.
  /// - Throws: `EFIFault` with the offset in `data`, for data that is damaged, cut off or too much.
  static func uncompress(_ data: [UInt8], dictionary: [UInt8]?, limit: Int) throws(EFIFault) -> [UInt8] {
    try withStream { stream throws(EFIFault) in
      guard inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw noMemory
      }
      defer { inflateEnd(stream) }
      return try data.withUnsafeBufferPointer { input throws(EFIFault) in
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(clamping: input.count)
        return try output(of: stream, dictionary: dictionary, limit: limit)
      }
    }
  }

  private static func output(
    of stream: UnsafeMutablePointer<z_stream>, dictionary: [UInt8]?, limit: Int
  ) throws(EFIFault) -> [UInt8] {
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let code = piece.withUnsafeMutableBufferPointer { piece in
        stream.pointee.next_out = piece.baseAddress
        stream.pointee.avail_out = UInt32(clamping: piece.count)
        return inflate(stream, Z_NO_FLUSH)
      }
      let offset = Int(stream.pointee.total_in)
      let count = piece.count - Int(stream.pointee.avail_out)
      guard count <= limit - result.count else {
        throw EFIFault(at: offset, "the compressed data unpacks to more than \(limit) bytes")
      }
      result += piece.prefix(count)
      switch code {
      case Z_OK: continue
      case Z_NEED_DICT:
        guard let dictionary,
          inflateSetDictionary(stream, dictionary, UInt32(clamping: dictionary.count)) == Z_OK
        else { throw EFIFault(at: offset, "the data was compressed with another dictionary") }
      case Z_STREAM_END:
        guard stream.pointee.avail_in == 0 else {
          throw EFIFault(at: offset, "something follows the compressed data")
        }
        return result
      default: throw EFIFault(at: offset, "the compressed data is damaged or cut off")
      }
    }
  }

  private static let noMemory = EFIFault(at: 0, "there is no memory for zlib")

  /// zlib refuses a stream that has moved, as a variable of Swift's may.
  private static func withStream<Result>(
    _ body: (UnsafeMutablePointer<z_stream>) throws(EFIFault) -> Result
  ) throws(EFIFault) -> Result {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    return try body(stream)
  }
}
