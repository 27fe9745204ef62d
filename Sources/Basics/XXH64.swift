/// The 64-bit xxHash of a stream, with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md, version 0.2.0).
///
/// It tells damage, not forgery: whoever writes the stream also writes its digest.
package struct XXH64 {
  private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5
  )
  private static let stripe = 32

  private var lanes: (UInt64, UInt64, UInt64, UInt64)
  private var rest: [UInt8] = []
  private var length: UInt64 = 0

  package init() {
    let (first, second, _, _, _) = Self.primes
    lanes = (first &+ second, second, 0, 0 &- first)
    rest.reserveCapacity(Self.stripe)
  }

  /// Takes the next bytes of the stream.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var bytes = bytes
    if !rest.isEmpty {
      let count = min(Self.stripe - rest.count, bytes.count)
      rest += bytes.prefix(count)
      bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(count))
      guard rest.count == Self.stripe else { return }
      let whole = rest
      rest.removeAll(keepingCapacity: true)
      whole.withUnsafeBytes { take($0, at: 0) }
    }
    var offset = 0
    while bytes.count - offset >= Self.stripe {
      take(bytes, at: offset)
      offset += Self.stripe
    }
    rest += bytes.dropFirst(offset)
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    func word(_ index: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8 * index, as: UInt64.self))
    }
    lanes = (
      Self.round(lanes.0, word(0)), Self.round(lanes.1, word(1)), Self.round(lanes.2, word(2)),
      Self.round(lanes.3, word(3))
    )
  }

  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotated(lane &+ word &* primes.1, 31) &* primes.0
  }

  private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value &<< count | value &>> (64 - count)
  }

  /// The digest of all that was taken.
  package var digest: UInt64 {
    let (first, second, third, fourth, fifth) = Self.primes
    var hash = fifth
    if length >= UInt64(Self.stripe) {
      hash =
        Self.rotated(lanes.0, 1) &+ Self.rotated(lanes.1, 7) &+ Self.rotated(lanes.2, 12)
        &+ Self.rotated(lanes.3, 18)
      for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
        hash = (hash ^ Self.round(0, lane)) &* first &+ fourth
      }
    }
    hash = hash &+ length
    var offset = 0
    while rest.count - offset >= 8 {
      hash = Self.rotated(hash ^ Self.round(0, rest.littleEndian(at: offset, 8)), 27) &* first &+ fourth
      offset += 8
    }
    if rest.count - offset >= 4 {
      hash = Self.rotated(hash ^ rest.littleEndian(at: offset, 4) &* first, 23) &* second &+ third
      offset += 4
    }
    while offset < rest.count {
      hash = Self.rotated(hash ^ UInt64(rest[offset]) &* fifth, 11) &* first
      offset += 1
    }
    hash = (hash ^ hash >> 33) &* second
    hash = (hash ^ hash >> 29) &* third
    return hash ^ hash >> 32
  }
}
