import EFIVariables
import Foundation
import ImageModel
import Testing

@Suite("Mutated stores")
struct MutationSweepTests {
  /// A million with `SLIPWAY_SWEEPS=1`.
  private static let count = ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == "1" ? 250_000 : 25_000

  private static func store(_ isAuthenticated: Bool) throws -> [UInt8] {
    var synthetic = SyntheticStore(isAuthenticated: isAuthenticated, storeSize: 0x280, volumeSize: 0x480)
    let option = LoadOption("Linux", [DevicePath([.pciRoot(0), .file(#"\EFI\A.EFI"#)])])
    synthetic.add("Boot0000", option.data, vendor: GUID.globalVariable.description)
    synthetic.add("A", [1], state: 0x3e)
    synthetic.add("A", [2])
    let list = SignatureList(
      type: SignatureList.sha256, signatures: [.init(owner: GUID(high: 1, low: 2), data: Array(0..<32))])
    synthetic.add("db", list?.data ?? [], vendor: GUID.imageSecurityDatabase.description)
    synthetic.addWorkingBlock(queue: [0xf8] + Array(repeating: 0xff, count: 23) + little(1) + little(0))
    return synthetic.bytes
  }

  /// Four runs, so that they share the processors.
  @Test("Each is refused, or comes back the same", arguments: [1, 2, 3, 4] as [UInt64])
  func mutations(seed: UInt64) throws {
    var generator = SplitMix(state: seed)
    let good = try Self.store(seed.isMultiple(of: 2))
    #expect(try VariableStore(reading: good).variables.count == 3)
    var accepted = 0
    for _ in 0..<Self.count {
      let bytes = mutate(good, &generator)
      guard let store = try? VariableStore(reading: bytes) else { continue }
      accepted += 1
      try check(store)
    }
    // Neither all nor none: both ways are walked.
    #expect(accepted > Self.count / 100)
    #expect(accepted < Self.count * 3 / 4)
  }

  private func check(_ store: VariableStore) throws {
    let written = try store.serialized()
    let again = try VariableStore(reading: written)
    guard again.variables == store.variables, again.deadCount == 0 else {
      Issue.record("the store changed by being written")
      return
    }
    for variable in store.variables {
      guard let value = try? VariableValue(of: variable) else { continue }
      if value.data != variable.data { Issue.record("\(variable.key) changed: \(value)") }
      if case .loadOption(let option) = value {
        for path in option.paths where DevicePath(path.description) != path {
          Issue.record("\(path.description) is another path")
        }
      }
    }
  }

  /// Up to three changes: bits, bytes and words with odd values, a cut, a stretch that is copied elsewhere.
  private func mutate(_ good: [UInt8], _ generator: inout SplitMix) -> [UInt8] {
    var bytes = good
    for _ in 0...Int(generator.next() % 3) {
      let random = generator.next()
      // Mostly behind the volume's header, whose checksum refuses nearly everything.
      let first = random & 0xf == 0 ? 0 : 0x48
      let offset = first + Int(random >> 16) % (bytes.count - first - 64)
      switch random >> 4 & 7 {
      case 0, 1: bytes[offset] ^= 1 << UInt8(random >> 8 & 7)
      case 2: bytes[offset] = UInt8(truncatingIfNeeded: random >> 8)
      case 3: bytes[offset] = [0, 1, 0x3c, 0x3d, 0x3e, 0x3f, 0x7f, 0xff][Int(random >> 8 & 7)]
      case 4:
        let word =
          [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff0, 0x280, 60][Int(random >> 8 & 7)]
          as UInt32
        for index in 0..<4 {
          bytes[offset & ~3 + index] = UInt8(truncatingIfNeeded: word >> (8 * UInt32(index)))
        }
      case 5: bytes[offset] = bytes[offset] &+ 1
      case 6:
        let from = 0x48 + Int(generator.next() % 0x200)
        for index in 0..<Int(random >> 8 & 63) { bytes[offset + index] = good[from + index] }
      default: if random >> 8 & 15 == 0 { bytes.removeLast(Int(random >> 12 & 63)) }
      }
    }
    return bytes
  }
}
