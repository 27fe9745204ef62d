internal import Basics
internal import SystemPackage

/// What decides how an executable starts: whether it names a loader.
struct ELFExecutable: Hashable {
  /// The dynamic loader's path; nil for a static executable.
  let interpreter: FilePath?

  /// Reads the headers of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5).
  ///
  /// - Throws: `Fault` for anything else, a script or a truncated file included.
  init(_ bytes: [UInt8], path: FilePath) throws {
    func fail(_ reason: String) -> Fault { .notAnExecutable(path, reason: reason) }
    let bytes = bytes[...]
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
      throw fail(bytes.starts(with: "#!".utf8) ? "it is a script" : "it is not an ELF file")
    }
    // EI_CLASS 2 is 64-bit, EI_DATA 1 is little-endian.
    guard bytes.dropFirst(4).starts(with: [2, 1]) else { throw fail("it is not 64-bit little-endian") }
    guard let table = bytes.littleEndian(at: 0x20, count: 8),
      let entrySize = bytes.littleEndian(at: 0x36, count: 2),
      let entries = bytes.littleEndian(at: 0x38, count: 2)
    else { throw fail("it is truncated") }
    for entry in 0..<entries {
      let start = table + entry * entrySize
      guard let type = bytes.littleEndian(at: start, count: 4) else { throw fail("it is truncated") }
      guard type == 3 else { continue }  // PT_INTERP
      guard let offset = bytes.littleEndian(at: start + 8, count: 8),
        let size = bytes.littleEndian(at: start + 32, count: 8), size > 1,
        offset <= bytes.count, size <= bytes.count - offset
      else { throw fail("it is truncated") }
      interpreter = FilePath(String(decoding: bytes[offset..<(offset + size - 1)], as: UTF8.self))
      return
    }
    interpreter = nil
  }
}

extension ArraySlice<UInt8> {
  /// An unsigned number, least significant byte first; nil beyond the end or above 2^48, which no file reaches.
  func littleEndian(at offset: Int, count: Int) -> Int? {
    guard offset >= 0, offset <= self.count - count else { return nil }
    let value = self[(startIndex + offset)..<(startIndex + offset + count)].reversed()
      .reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return value < 1 << 48 ? Int(value) : nil
  }
}
