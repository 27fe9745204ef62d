/// What decides how the kernel starts an executable: whether it names a loader.
package struct ELFExecutable: Hashable, Sendable {
  /// Why a file is not such an executable.
  package enum Fault: String, Error {
    case script = "it is a script"
    case otherFormat = "it is not an ELF file"
    case otherKind = "it is not 64-bit little-endian"
    case noProgram = "it has no program headers that Linux would load"
    case truncated = "it is truncated"
  }

  /// Whether it needs no loader and no shared libraries.
  package let isStatic: Bool

  /// Reads the headers of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5), and refuses what the kernel
  /// refuses in them (`fs/binfmt_elf.c`, `load_elf_phdrs`).
  ///
  /// - Parameter bytes: the whole file.
  /// - Throws: `Fault`.
  package init(_ bytes: [UInt8]) throws(Fault) {
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
      throw bytes.starts(with: "#!".utf8) ? .script : .otherFormat
    }
    // EI_CLASS 2 is 64-bit, EI_DATA 1 is little-endian.
    guard bytes.count < 6 || bytes[4] == 2 && bytes[5] == 1 else { throw .otherKind }
    guard bytes.count >= 64 else { throw .truncated }
    let (entrySize, count) = (56, Int(bytes.littleEndian(at: 0x38, 2)))
    guard bytes.littleEndian(at: 0x36, 2) == UInt64(entrySize), count > 0, count * entrySize <= 65536 else {
      throw .noProgram
    }
    guard let table = Int(exactly: bytes.littleEndian(at: 0x20, 8)), table <= bytes.count - count * entrySize
    else { throw .truncated }
    for start in stride(from: table, to: table + count * entrySize, by: entrySize)
    where bytes.littleEndian(at: start, 4) == 3 {  // PT_INTERP
      let (offset, size) = (bytes.littleEndian(at: start + 8, 8), bytes.littleEndian(at: start + 32, 8))
      // The path and the zero at its end.
      guard size > 1, size <= bytes.count, offset <= UInt64(bytes.count) - size else { throw .truncated }
      isStatic = false
      return
    }
    isStatic = true
  }
}
