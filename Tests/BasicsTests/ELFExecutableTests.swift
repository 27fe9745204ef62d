import Basics
import SystemPackage
import Testing

/// Files that are no whole executables are refused with what is wrong, and no number in one makes it more than a file.
@Suite struct ELFExecutableTests {
  @Test func programsOfThisMachineAreToldApart() throws {
    #expect(try ELFExecutable(WholeFile.read("/usr/bin/busybox")).isStatic)
    #expect(try !ELFExecutable(WholeFile.read("/usr/bin/env")).isStatic)
  }

  @Test func onlyAnInterpreterMakesAnExecutableDynamic() throws {
    // PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_STACK: a static executable that may be anywhere in memory has PT_DYNAMIC, too.
    for (types, isStatic) in [([1], true), ([1, 2], true), ([1, 3], false), ([3], false)]
      as [([UInt32], Bool)]
    {
      #expect(try ELFExecutable(elf(types)).isStatic == isStatic, "\(types)")
    }
  }

  @Test func otherFilesAreRefused() {
    #expect(fault(Array("#!/bin/sh\n".utf8)) == .script)
    #expect(fault([]) == .otherFormat)
    #expect(fault([0x7F, 0x45, 0x4C]) == .otherFormat)
    #expect(fault([0x7F, 0x45, 0x4C, 0x46, 1, 1]) == .otherKind)
    #expect(fault([0x7F, 0x45, 0x4C, 0x46, 2, 2]) == .otherKind)
    #expect(fault([0x7F, 0x45, 0x4C, 0x46, 2, 1]) == .truncated)
    // An object file.
    #expect(fault(elf([])) == .noProgram)
  }

  @Test func everyTruncationIsRefused() {
    let whole = elf([1, 3])
    #expect(fault(whole) == nil)
    for length in 4..<whole.count { #expect(fault(Array(whole.prefix(length))) == .truncated, "\(length)") }
  }

  @Test(
    arguments: [
      // The table: beyond the end, at its last possible place and one further, at numbers that overflow.
      (0x20, 8, 1 << 20, .truncated), (0x20, 8, 72, .truncated), (0x20, 8, 1 << 63, .truncated),
      (0x20, 8, UInt64.max, .truncated), (0x20, 8, UInt64(Int64.max), .truncated),
      // The size of its entries.
      (0x36, 2, 0, .noProgram), (0x36, 2, 32, .noProgram), (0x36, 2, 0xFFFF, .noProgram),
      // Their number: the kernel takes 64 KiB of them.
      (0x38, 2, 0, .noProgram), (0x38, 2, 2, .truncated), (0x38, 2, 1170, .truncated),
      (0x38, 2, 1171, .noProgram), (0x38, 2, 0xFFFF, .noProgram),
      // Where the interpreter's path is, and its size.
      (64 + 8, 8, 1 << 20, .truncated), (64 + 8, 8, UInt64.max, .truncated),
      (64 + 32, 8, 0, .truncated), (64 + 32, 8, 1, .truncated), (64 + 32, 8, 1 << 20, .truncated),
      (64 + 32, 8, UInt64.max, .truncated),
    ] as [(Int, Int, UInt64, ELFExecutable.Fault)])
  func aHostileNumberIsRefused(offset: Int, size: Int, value: UInt64, expected: ELFExecutable.Fault) {
    var bytes = elf([3])
    bytes.replace(at: offset, by: Array(value.littleEndianBytes.prefix(size)))
    #expect(fault(bytes) == expected)
  }

  private func fault(_ bytes: [UInt8]) -> ELFExecutable.Fault? {
    do throws(ELFExecutable.Fault) {
      _ = try ELFExecutable(bytes)
      return nil
    } catch {
      return error
    }
  }

  /// An ELF header, program headers of these types, and the path that each of them names.
  private func elf(_ types: [UInt32]) -> [UInt8] {
    let path = Array("/ld.so\0".utf8)
    var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1] + Array(repeating: 0, count: 58)
    bytes.replace(at: 0x20, by: UInt64(64).littleEndianBytes)
    bytes.replace(at: 0x36, by: UInt16(56).littleEndianBytes)
    bytes.replace(at: 0x38, by: UInt16(types.count).littleEndianBytes)
    for type in types {
      bytes += type.littleEndianBytes + UInt32(4).littleEndianBytes
      bytes += UInt64(64 + 56 * types.count).littleEndianBytes + Array(repeating: 0, count: 16)
      bytes += UInt64(path.count).littleEndianBytes + Array(repeating: 0, count: 16)
    }
    return bytes + path
  }
}
