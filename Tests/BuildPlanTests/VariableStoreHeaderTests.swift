import BuildPlan
import Foundation
import Testing

@Suite struct VariableStoreHeaderTests {
  @Test(arguments: [(0x84000, 0x3ffb8), (0x20000, 0xdfb8)])
  func bothBuildsAreRead(size: Int, storeSize: Int) throws {
    let header = try VariableStoreHeader.check(store(size: size, storeSize: storeSize))
    #expect(header.storeOffset == 0x48)
    #expect(header.storeSize == storeSize)
    #expect(header.isAuthenticated)
  }

  @Test func aPlainStoreIsAStore() throws {
    var bytes = store()
    bytes.replaceSubrange(
      0x48..<0x58, with: littleEndianGUID(0xddcf_3616, 0x3275, 0x4164, 0x98b6_fe85_707f_fe7d))
    #expect(try !VariableStoreHeader.check(bytes).isAuthenticated)
  }

  @Test(arguments: [
    Damage(0, "multiple of 4096") { $0.removeLast() },
    Damage(0, "multiple of 4096") { $0.removeAll() },
    Damage(0, "all zero") { $0 = [UInt8](repeating: 0, count: $0.count) },
    Damage(0x28, "_FVH") { $0[0x28] = 0 },
    Damage(0x10, "not a store") { $0[0x10] ^= 1 },
    Damage(0x20, "volume has") { $0.append(contentsOf: [UInt8](repeating: 0xff, count: 4096)) },
    Damage(0x20, "volume has") { $0.removeLast(4096) },
    Damage(0x30, "header") {
      $0[0x31] = 0xff; $0[0x30] = 0xfe; $0.removeLast($0.count - 4096); $0[0x20] = 0; $0[0x21] = 0x10;
      $0[0x22] = 0
    },
    Damage(0x30, "header") { $0[0x30] = 0x10 },
    Damage(0x32, "checksum") { $0[0x34] ^= 1 },
    Damage(0x48, "GUID of a variable store") { $0[0x48] ^= 1 },
    Damage(0x58, "room") { $0[0x5b] = 0xff },
    Damage(0x58, "room") { $0.replaceSubrange(0x58..<0x5c, with: [0, 0, 0, 0]) },
    Damage(0x5c, "formatted") { $0[0x5c] = 0xff },
    Damage(0x5c, "healthy") { $0[0x5d] = 0xff },
  ])
  private func damageIsRefusedWithItsPlace(damage: Damage) throws {
    var bytes = store()
    damage.change(&bytes)
    let fault = try #require(throws: VariableStoreFault.self) { try VariableStoreHeader.check(bytes) }
    #expect(fault.offset == damage.offset)
    #expect(fault.reason.contains(damage.reason))
    #expect(fault.description.hasPrefix("at 0x\(String(damage.offset, radix: 16)): "))
  }

  @Test func bytesOfAnyKindAreReadOrRefused() {
    var random = SplitMix(state: 2)
    var refused = 0
    for round in 0..<300 {
      var bytes = store(size: 0x20000, storeSize: 0xdfb8)
      if round.isMultiple(of: 10) { bytes = (0..<8192).map { _ in .random(in: 0...255, using: &random) } }
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        bytes[Int.random(in: 0..<0x200, using: &random)] = .random(in: 0...255, using: &random)
      }
      do {
        let header = try VariableStoreHeader.check(bytes)
        #expect(header.storeOffset + header.storeSize <= bytes.count)
      } catch {
        refused += 1
        #expect((0..<bytes.count).contains(error.offset))
      }
    }
    #expect(refused > 30 && refused < 300)
  }

  @Test func whatARunChangedIsCounted() throws {
    let template = store()
    #expect(try VariableStoreHeader.changes(in: template, since: template) == 0)
    var used = template
    used[0x64] = 0xaa
    used[0x65] = 0x55
    #expect(try VariableStoreHeader.changes(in: used, since: template) == 2)
  }

  @Test func aRunMayNotChangeSizeOrHeaders() throws {
    let template = store()
    let small = store(size: 0x20000, storeSize: 0xdfb8)
    #expect(throws: VariableStoreFault.self) { try VariableStoreHeader.changes(in: small, since: template) }
    // A header that is right in itself, but of another store.
    let other = store(size: 0x84000, storeSize: 0x3ff00)
    let fault = try #require(throws: VariableStoreFault.self) {
      try VariableStoreHeader.changes(in: other, since: template)
    }
    #expect(fault.offset == 0x58)
    #expect(throws: VariableStoreFault.self) {
      try VariableStoreHeader.changes(in: [UInt8](repeating: 0xff, count: template.count), since: template)
    }
  }

  @Test(.enabled(if: !installedTemplates.isEmpty, "OVMF is not installed"), arguments: installedTemplates)
  func installedTemplatesAreRead(path: String) throws {
    let bytes = try #require(FileManager.default.contents(atPath: path))
    #expect(try VariableStoreHeader.check(Array(bytes)).isAuthenticated)
  }
}

/// What is done to a good store, and the refusal that it leads to.
private struct Damage: Sendable, CustomTestStringConvertible {
  let offset: Int
  let reason: String
  let change: @Sendable (inout [UInt8]) -> Void

  init(_ offset: Int, _ reason: String, _ change: @escaping @Sendable (inout [UInt8]) -> Void) {
    self.offset = offset
    self.reason = reason
    self.change = change
  }

  var testDescription: String { "0x\(String(offset, radix: 16)): \(reason)" }
}

/// An empty store, built field by field from edk2's `VarStore.fdf.inc`.
private func store(size: Int = 0x84000, storeSize: Int = 0x3ffb8) -> [UInt8] {
  func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
  var header = [UInt8](repeating: 0, count: 16)
  header += littleEndianGUID(0xfff1_2b8d, 0x7696, 0x4c8b, 0xa985_2747_075b_4f50)
  header += number(size, 8) + Array("_FVH".utf8) + number(0x4_feff, 4) + number(0x48, 2)
  header += number(0, 2) + [0, 0, 0, 2]  // checksum, extended header, reserved, revision
  header += number(size / 4096, 4) + number(4096, 4) + number(0, 8)
  let sum = stride(from: 0, to: header.count, by: 2).reduce(0) {
    $0 + Int(header[$1]) + Int(header[$1 + 1]) << 8
  }
  header.replaceSubrange(0x32..<0x34, with: number(-sum, 2))
  header += littleEndianGUID(0xaaf3_2c78, 0x947b, 0x439a, 0xa180_2e14_4ec3_7792)
  header += number(storeSize, 4) + [0x5a, 0xfe] + number(0, 6)
  return header + [UInt8](repeating: 0xff, count: size - header.count)
}

private func littleEndianGUID(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ rest: UInt64) -> [UInt8] {
  (0..<4).map { UInt8(truncatingIfNeeded: first >> (8 * $0)) }
    + [second, third].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    + (0..<8).map { UInt8(truncatingIfNeeded: rest >> (56 - 8 * $0)) }
}

private let installedTemplates = ["VARS.fd", "VARS_4M.fd", "VARS_4M.ms.fd"]
  .map { "/usr/share/OVMF/OVMF_\($0)" }.filter(FileManager.default.fileExists)
