import EFIVariables
import ImageModel
import Testing

@Suite("Format of stores")
struct StoreFormatTests {
  @Test("Both kinds of header are read and written", arguments: [true, false])
  func headers(isAuthenticated: Bool) throws {
    var synthetic = SyntheticStore(isAuthenticated: isAuthenticated)
    synthetic.add("One", [1])
    synthetic.add("Zwei", [2, 2, 2, 2, 2], attributes: 3)
    synthetic.addWorkingBlock()
    synthetic.tail = [1, 2, 3]
    let store = try VariableStore(reading: synthetic.bytes)
    #expect(store.layout.isAuthenticated == isAuthenticated)
    #expect(
      try store.variables == [
        Variable(key("One"), .standard, [1]),
        Variable(key("Zwei"), [.nonVolatile, .bootServiceAccess], [2, 2, 2, 2, 2]),
      ])
    #expect(try store.serialized() == synthetic.bytes)
  }

  @Test("A record is alive by its state, and by its twin")
  func states() throws {
    var synthetic = SyntheticStore()
    synthetic.add("Deleted", [1], state: 0x3d)
    synthetic.add("Deleted", [2], state: 0x3c)
    synthetic.add("Replaced", [1], state: 0x3e)
    synthetic.add("Kept", [1], state: 0x3e)
    synthetic.add("Replaced", [2])
    synthetic.add("Kept", [3], vendor: "00000000-0000-4000-8000-000000000001")
    let store = try VariableStore(reading: synthetic.bytes)
    #expect(try store[key("Replaced")]?.data == [2])
    #expect(try store[key("Kept")]?.data == [1])
    #expect(store.variables.count == 3)
    #expect(store.deadCount == 3)
  }

  @Test("A finished fault-tolerant write is history, and is not written again")
  func finishedWrite() throws {
    var synthetic = SyntheticStore()
    synthetic.add("One", [1])
    synthetic.addWorkingBlock()
    let clean = synthetic.bytes
    synthetic.addWorkingBlock(queue: write(state: 0xf8, writes: 1) + Array(repeating: 0, count: 40))
    #expect(try VariableStore(reading: synthetic.bytes).serialized() == clean)
  }

  @Test("A fault-tolerant write that is not finished is refused", arguments: [0xfe, 0xfc, 0xfd] as [UInt8])
  func unfinishedWrite(state: UInt8) throws {
    var synthetic = SyntheticStore()
    synthetic.addWorkingBlock(queue: write(state: state, writes: 1))
    #expect(throws: EFIFault(at: 0x420, "a fault-tolerant write was begun and not finished")) {
      try VariableStore(reading: synthetic.bytes)
    }
  }

  @Test("Impossible queues are refused", arguments: [2, 0x1000, UInt64.max])
  func queue(writes: UInt64) throws {
    for privateSize in [200, UInt64.max, UInt64(Int64.max)] {
      var synthetic = SyntheticStore()
      synthetic.addWorkingBlock(queue: write(state: 0xf8, writes: writes, privateSize: privateSize))
      #expect(throws: EFIFault(at: 0x438, "a fault-tolerant write runs past the queue's end")) {
        try VariableStore(reading: synthetic.bytes)
      }
    }
  }

  private func write(state: UInt8, writes: UInt64, privateSize: UInt64 = 0) -> [UInt8] {
    [state] + Array(repeating: 0xff, count: 23) + little(writes) + little(privateSize)
  }
}

@Suite("Damaged stores")
struct DamagedStoreTests {
  /// A change to a good store, and the place where it has to be noticed.
  struct Damage: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var place: Int
    var change: @Sendable (inout [UInt8]) -> Void

    init(_ what: String, at place: Int, _ change: @escaping @Sendable (inout [UInt8]) -> Void) {
      testDescription = what
      self.place = place
      self.change = change
    }

    /// One byte that is overwritten.
    init(_ what: String, at place: Int, byte offset: Int, _ value: UInt8) {
      self.init(what, at: place) { $0[offset] = value }
    }
  }

  // Records: 0x64 "One" with 60 + 8 + 1 bytes, 0xac "Two" with 60 + 8 + 4 bytes; free from 0xf4; working
  // block at 0x400.
  static let damages = [
    Damage("empty", at: 0) { $0 = [] },
    Damage("header cut", at: 0x47) { $0 = Array($0[..<0x47]) },
    Damage("volume cut", at: 0x20) { $0.removeLast() },
    Damage("zeroes", at: 0x28) { $0 = Array(repeating: 0, count: $0.count) },
    Damage("other type of volume", at: 0x10, byte: 0x10, 0),
    Damage("no signature", at: 0x28, byte: 0x2b, 0),
    Damage("huge volume", at: 0x20, byte: 0x27, 0xff),
    Damage("odd header", at: 0x30, byte: 0x30, 0x4a),
    Damage("header past the volume", at: 0x30, byte: 0x31, 0x80),
    Damage("checksum", at: 0x32, byte: 0x32, 1),
    Damage("other store", at: 0x48, byte: 0x48, 0),
    Damage("store past its volume", at: 0x58, byte: 0x5a, 1),
    Damage("store smaller than its header", at: 0x58) { $0.replaceSubrange(0x58..<0x5a, with: [27, 0]) },
    Damage("odd store", at: 0x58, byte: 0x58, 0x7f),
    Damage("not formatted", at: 0x5c, byte: 0x5c, 0xff),
    Damage("not healthy", at: 0x5c, byte: 0x5d, 0xff),
    Damage("header being written", at: 0x66, byte: 0x66, 0xff),
    Damage("data being written", at: 0x66, byte: 0x66, 0x7f),
    Damage("impossible state", at: 0x66, byte: 0x66, 0),
    Damage("huge name", at: 0xa0, byte: 0x64 + 39, 0xff),
    Damage("odd name", at: 0xa0, byte: 0x64 + 36, 7),
    Damage("name without end", at: 0xa0, byte: 0xa6, 1),
    Damage("name with NUL", at: 0xa0, byte: 0xa2, 0),
    Damage("lone surrogate", at: 0xa0, byte: 0xa1, 0xd8),
    Damage("no name", at: 0xa0, byte: 0x64 + 36, 0),
    Damage("huge data", at: 0xa8, byte: 0x64 + 43, 0x7f),
    Damage("no data", at: 0xa0, byte: 0x64 + 40, 0),
    Damage("twice", at: 0xac) { $0.replaceSubrange(0xe8..<0xee, with: [0x4f, 0, 0x6e, 0, 0x65, 0]) },
    Damage("record that does not begin", at: 0xac, byte: 0xac, 0),
    Damage("something in free space", at: 0x200, byte: 0x200, 0x7f),
    Damage("something in the event log", at: 0x3d0, byte: 0x3d0, 0),
    Damage("no working block", at: 0x400, byte: 0x400, 0),
    Damage("checksum of the working block", at: 0x410, byte: 0x410, 0),
    Damage("working block not valid", at: 0x414, byte: 0x414, 0xfc),
  ]

  private static var good: SyntheticStore {
    var synthetic = SyntheticStore()
    synthetic.add("One", [1])
    synthetic.add("Two", [1, 2, 3, 4])
    synthetic.addWorkingBlock()
    return synthetic
  }

  @Test("Each is refused at its place", arguments: damages)
  func damage(_ damage: Damage) throws {
    var bytes = Self.good.bytes
    #expect(try VariableStore(reading: bytes).variables.count == 2)
    damage.change(&bytes)
    let fault = #expect(throws: EFIFault.self) { try VariableStore(reading: bytes) }
    #expect(fault?.offset == damage.place, "\(fault?.description ?? "")")
  }

  @Test("A store that is cut short anywhere is refused")
  func cut() throws {
    let bytes = Self.good.bytes
    for count in 0..<bytes.count {
      #expect(throws: EFIFault.self) { try VariableStore(reading: Array(bytes[..<count])) }
    }
  }

  @Test("Two that are about to be replaced, and no newer one, are refused")
  func transitions() throws {
    var synthetic = SyntheticStore()
    synthetic.add("One", [1], state: 0x3e)
    synthetic.add("One", [2], state: 0x3e)
    #expect(throws: EFIFault.self) { try VariableStore(reading: synthetic.bytes) }
  }
}
