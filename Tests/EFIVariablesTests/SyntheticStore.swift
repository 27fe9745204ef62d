import EFIVariables
import ImageModel
import Testing

/// Writes small stores, field by field, with nothing of the module under test but its words.
struct SyntheticStore {
  var isAuthenticated = true
  var storeSize = 0x380
  var volumeSize = 0x800
  var blockSize = 0x40
  var records: [UInt8] = []
  /// What stands in the volume behind the store; the rest is erased.
  var behind: [UInt8] = []
  var tail: [UInt8] = []

  static let vendor = "5d1f2a3b-0000-4000-8000-0123456789ab"

  mutating func add(
    _ name: String, _ data: [UInt8], state: UInt8 = 0x3f, vendor: String = vendor, attributes: UInt32 = 7,
    time: [UInt8] = Array(repeating: 0, count: 16)
  ) {
    var record: [UInt8] = [0xaa, 0x55, state, 0] + little(attributes)
    if isAuthenticated { record += little(UInt64(0)) + time + little(UInt32(0)) }
    let units = Array(name.utf16) + [0]
    record += little(UInt32(units.count * 2)) + little(UInt32(data.count)) + diskOrder(vendor)
    record += units.flatMap { little($0) } + data
    while !record.count.isMultiple(of: 4) { record.append(0xff) }
    records += record
  }

  /// The header of a working block, and a queue.
  mutating func addWorkingBlock(queue: [UInt8] = []) {
    var header = diskOrder("9e58292b-7c68-497d-a0ce-6500fd9f1b95")
    // Made by Python's zlib over the header with 0xff at 16...20, for a queue of 0xe0 bytes.
    header += little(UInt32(0x9264_dfc5)) + [0xfe, 0xff, 0xff, 0xff] + little(UInt64(0xe0))
    behind = Array(repeating: 0xff, count: 0x38) + header + queue
  }

  var bytes: [UInt8] {
    var volume = Array(repeating: UInt8(0), count: 16) + diskOrder("fff12b8d-7696-4c8b-a985-2747075b4f50")
    volume += little(UInt64(volumeSize)) + Array("_FVH".utf8) + little(UInt32(0x4feff)) + little(UInt16(0x48))
    volume += [0, 0, 0, 0, 0, 2] + little(UInt32(volumeSize / blockSize)) + little(UInt32(blockSize))
    volume += Array(repeating: 0, count: 8)
    let sum = stride(from: 0, to: 0x48, by: 2).reduce(UInt16(0)) {
      $0 &+ UInt16(volume[$1]) &+ UInt16(volume[$1 + 1]) << 8
    }
    volume.replaceSubrange(0x32..<0x34, with: little(0 &- sum))
    let type =
      isAuthenticated ? "aaf32c78-947b-439a-a180-2e144ec37792" : "ddcf3616-3275-4164-98b6-fe85707ffe7d"
    volume += diskOrder(type) + little(UInt32(storeSize)) + [0x5a, 0xfe] + Array(repeating: 0, count: 6)
    volume += records
    volume += Array(repeating: 0xff, count: max(0, 0x48 + storeSize - volume.count)) + behind
    return volume + Array(repeating: 0xff, count: max(0, volumeSize - volume.count)) + tail
  }
}

func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  (0..<MemoryLayout<Number>.size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}

private func diskOrder(_ guid: String) -> [UInt8] { GUID(guid)?.littleEndianBytes ?? [] }

/// A key of the vendor that synthetic stores have.
func key(_ name: String) throws -> VariableKey {
  let vendor = try #require(GUID(SyntheticStore.vendor))
  return try #require(VariableKey(vendor, name))
}

/// Numbers that are the same in each run (SplitMix64).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// A variable with odd names, any attributes and, unless it is for a plain store, a time and counts.
func randomVariable(_ generator: inout SplitMix, _ isAuthenticated: Bool) throws -> Variable {
  let letters = Array("aZ0 /\"\\é\u{301}字🥾")
  let name = String(
    (0..<Int.random(in: 1...9, using: &generator)).map { _ in
      letters.randomElement(using: &generator) ?? "a"
    })
  let vendor = try #require(GUID(bytes: generator.bytes(16)))
  return try Variable(
    #require(VariableKey(vendor, name)),
    VariableAttributes(rawValue: UInt32.random(in: 0...255, using: &generator)),
    generator.bytes(Int.random(in: 1...300, using: &generator)),
    time: #require(EFITime(bytes: isAuthenticated ? generator.bytes(16) : EFITime.zero.bytes)),
    monotonicCount: isAuthenticated ? generator.next() : 0,
    publicKeyIndex: isAuthenticated ? UInt32(truncatingIfNeeded: generator.next()) : 0)
}
