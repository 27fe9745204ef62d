internal import Basics
internal import ImageModel

/// The records of a store: one variable after the other, alive or dead.
///
/// Layouts and states: edk2's `MdeModulePkg/Include/Guid/VariableFormat.h`.
struct Records {
  /// The live variables, in the order in which they are stored.
  private(set) var live: [Variable] = []
  /// How many records are only there because flash cannot be erased byte by byte.
  private(set) var deadCount = 0
  /// Where the records end.
  private(set) var end: Int

  private static let startIdentifier: UInt16 = 0x55aa

  private enum State {
    /// VAR_ADDED.
    static let added: UInt8 = 0x3f
    /// Added, and VAR_IN_DELETED_TRANSITION: about to be replaced, and the value for as long as it is not.
    static let inDeletedTransition: UInt8 = 0x3e
    /// VAR_DELETED, with or without the transition.
    static let deleted: [UInt8] = [0x3c, 0x3d]
  }

  /// Reads all records, and checks that nothing follows them.
  init(_ bytes: [UInt8], _ layout: StoreLayout) throws(EFIFault) {
    end = layout.firstRecord
    var places: [VariableKey: Int] = [:]
    var transitions: [(variable: Variable, offset: Int)] = []
    while end + 2 <= layout.storeEnd, bytes.littleEndian(UInt16.self, at: end) == Self.startIdentifier {
      let offset = end
      var reader = ByteReader(bytes, from: offset + 2, to: layout.storeEnd)
      let state = try reader.integer(UInt8.self, "the state of a record")
      guard let variable = try Self.read(&reader, state, at: offset, layout) else {
        end = Self.aligned(reader.offset)
        deadCount += 1
        continue
      }
      end = Self.aligned(reader.offset)
      guard state == State.added else {
        transitions.append((variable, offset))
        continue
      }
      guard places.updateValue(live.count, forKey: variable.key) == nil else {
        throw EFIFault(at: offset, "\(variable.key) is there twice")
      }
      live.append(variable)
    }
    try addTransitions(transitions, places)
    if let offset = bytes.firstNotErased(in: end..<layout.storeEnd) {
      throw EFIFault(at: offset, "neither a record begins here, nor is the store erased")
    }
  }

  /// Lets a variable that was about to be replaced, and was not, be alive, as `FindVariableEx` of edk2 does.
  private mutating func addTransitions(
    _ transitions: [(variable: Variable, offset: Int)], _ places: [VariableKey: Int]
  ) throws(EFIFault) {
    var places = places
    let replaced = Set(places.keys)
    for (variable, offset) in transitions {
      if replaced.contains(variable.key) {
        deadCount += 1
        continue
      }
      guard places.updateValue(live.count, forKey: variable.key) == nil else {
        throw EFIFault(at: offset, "\(variable.key) is there twice")
      }
      live.append(variable)
    }
  }

  /// Reads one record behind its state; nil when it is dead.
  private static func read(
    _ reader: inout ByteReader, _ state: UInt8, at offset: Int, _ layout: StoreLayout
  ) throws(EFIFault) -> Variable? {
    let isDead = State.deleted.contains(state)
    guard isDead || state == State.added || state == State.inDeletedTransition else {
      throw EFIFault(at: offset + 2, "the record's state is \(hex(state)): its write was not finished")
    }
    _ = try reader.integer(UInt8.self, "a record's reserved byte")
    let attributes = VariableAttributes(rawValue: try reader.integer(UInt32.self, "a record's attributes"))
    var count: UInt64 = 0
    var time = EFITime.zero
    var publicKey: UInt32 = 0
    if layout.isAuthenticated {
      count = try reader.integer(UInt64.self, "a record's count")
      time = EFITime(bytes: try reader.take(16, "a record's time")) ?? .zero
      publicKey = try reader.integer(UInt32.self, "a record's key")
    }
    let nameSize = Int(try reader.integer(UInt32.self, "the size of a name"))
    let dataSize = Int(try reader.integer(UInt32.self, "the size of a variable"))
    let vendor = try reader.guid("a record's vendor")
    let nameOffset = reader.offset
    let name = try reader.take(nameSize, "the name of a variable")
    let data = try reader.take(dataSize, "a variable")
    if isDead { return nil }
    guard let name = variableName(name) else {
      throw EFIFault(at: nameOffset, "the name of a variable is not UTF-16 with a NUL at its end")
    }
    // GetVariable of a debug build of edk2 stops the machine at one.
    guard !data.isEmpty else { throw EFIFault(at: nameOffset, "the variable \(name) has no data") }
    return Variable(
      VariableKey(vendor, name), attributes, data, time: time, monotonicCount: count,
      publicKeyIndex: publicKey)
  }

  private static func variableName(_ bytes: [UInt8]) -> VariableName? {
    guard bytes.count >= 4, bytes.count.isMultiple(of: 2) else { return nil }
    var units: [UInt16] = []
    var offset = 0
    while offset < bytes.count {
      units.append(bytes.littleEndian(UInt16.self, at: offset))
      offset += 2
    }
    guard units.removeLast() == 0 else { return nil }
    return VariableName(units: units)
  }

  /// `HEADER_ALIGN`: each record begins at a multiple of 4 bytes.
  static func aligned(_ offset: Int) -> Int { (offset + 3) & ~3 }
}

extension Records {
  /// The record of a live variable, with its padding.
  static func bytes(of variable: Variable, isAuthenticated: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: startIdentifier)
    bytes += [State.added, 0]
    bytes.append(littleEndian: variable.attributes.rawValue)
    if isAuthenticated {
      bytes.append(littleEndian: variable.monotonicCount)
      bytes += variable.time.bytes
      bytes.append(littleEndian: variable.publicKeyIndex)
    }
    let name = variable.key.name.units + [0]
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: 2 * name.count))
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: variable.data.count))
    bytes += variable.key.vendor.littleEndianBytes
    for unit in name { bytes.append(littleEndian: unit) }
    bytes += variable.data
    bytes += Array(repeating: 0xff, count: aligned(bytes.count) - bytes.count)
    return bytes
  }

  /// What a variable takes in a store, padding included.
  static func size(of variable: Variable, _ layout: StoreLayout) -> Int {
    aligned(layout.recordHeaderSize + 2 * (variable.key.name.units.count + 1) + variable.data.count)
  }
}
