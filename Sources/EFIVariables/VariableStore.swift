/// A firmware's variable store, as a value: read it, change it, write it.
///
/// It holds the live variables and the two headers. What else a file may contain is the firmware's own
/// history: records that are dead, an event log, fault-tolerant writes that are finished. Writing leaves that
/// out, so that a store always begins anew from erased flash.
package struct VariableStore: Hashable, Sendable {
  package let layout: StoreLayout
  /// Records of the file that were not alive.
  package let deadCount: Int
  /// The live variables, in the order of the file; a key is there once.
  package private(set) var variables: [Variable]

  /// The headers of the volume and of the store.
  private let headers: [UInt8]
  /// The header of the working block, and where it is; nil when the firmware has not made it yet.
  private let workingBlock: WorkingBlock?
  /// What follows the volume in the file.
  private let tail: [UInt8]

  private struct WorkingBlock: Hashable, Sendable {
    var offset: Int
    var header: [UInt8]
  }

  /// Reads a store, strictly.
  ///
  /// - Throws: `EFIFault` with the place of the first thing that is wrong. Nothing is repaired: a store that a
  ///   firmware did not finish writing is one that nobody can vouch for.
  package init(reading bytes: [UInt8]) throws(EFIFault) {
    layout = try StoreLayout(bytes)
    let records = try Records(bytes, layout)
    variables = records.live
    deadCount = records.deadCount
    headers = Array(bytes[..<layout.firstRecord])
    workingBlock = try FaultTolerantWrite.workingBlock(bytes, layout).map {
      WorkingBlock(offset: $0, header: Array(bytes[$0..<$0 + FaultTolerantWrite.headerSize]))
    }
    tail = Array(bytes[layout.volumeSize...])
  }

  /// The store with no variable in it, from a store that may have some.
  package init(emptyLike template: VariableStore) {
    self = template
    variables = []
  }

  /// A store with other variables, of the layout of another.
  ///
  /// - Parameter variables: with unique keys.
  /// - Throws: `EFIFault` for a variable that `set` refuses.
  package init(_ variables: [Variable], like template: VariableStore) throws(EFIFault) {
    self = template
    for variable in variables { try check(variable) }
    self.variables = variables
  }

  /// Checks that a firmware would take this store in the place of another.
  ///
  /// - Throws: `EFIFault` when size or headers differ. A firmware boots with such a store all the same, and
  ///   keeps no variable.
  package func checkHeaders(sameAs template: VariableStore) throws(EFIFault) {
    if let offset = zip(headers, template.headers).enumerated().first(where: { $1.0 != $1.1 })?.offset {
      throw EFIFault(at: offset, "the header is not the template's")
    }
    guard headers.count == template.headers.count, layout == template.layout,
      tail.count == template.tail.count
    else { throw EFIFault(at: 0, "the store has another layout than its template") }
  }
}

extension VariableStore {
  /// The variable of that name; nil when there is none.
  package subscript(key: VariableKey) -> Variable? { variables.first { $0.key == key } }

  /// Adds a variable, or puts it in the place of the one with its key.
  ///
  /// - Throws: `EFIFault` when it has no data, which firmware takes for a deletion, or a time or count for which
  ///   a plain store has no room.
  package mutating func set(_ variable: Variable) throws(EFIFault) {
    try check(variable)
    replace(variable)
  }

  private func check(_ variable: Variable) throws(EFIFault) {
    guard !variable.data.isEmpty else { throw EFIFault(at: 0, "\(variable.key) has no data") }
    let isPlain = variable.time == .zero && variable.monotonicCount == 0 && variable.publicKeyIndex == 0
    guard layout.isAuthenticated || isPlain else {
      throw EFIFault(at: 0, "\(variable.key) is authenticated, and the store keeps no times")
    }
  }

  /// Adds or replaces a variable that is known to be one that the store can keep.
  mutating func replace(_ variable: Variable) {
    if let index = variables.firstIndex(where: { $0.key == variable.key }) {
      variables[index] = variable
    } else {
      variables.append(variable)
    }
  }

  /// Takes a variable out; false when it was not there.
  @discardableResult
  package mutating func delete(_ key: VariableKey) -> Bool {
    guard let index = variables.firstIndex(where: { $0.key == key }) else { return false }
    variables.remove(at: index)
    return true
  }

  /// Takes out what a condition holds for.
  package mutating func deleteAll(where condition: (Variable) -> Bool) {
    variables.removeAll(where: condition)
  }

  /// Puts other variables in the place of all; their keys are unique.
  mutating func replaceVariables(with variables: [Variable]) {
    self.variables = variables
  }

  /// Bytes that the variables take when they are written.
  package var sizeOfVariables: Int {
    variables.reduce(0) { $0 + Records.size(of: $1, layout) }
  }

  /// Bytes that further variables may take, with their headers and names; less than nothing where they do not fit as they are.
  package var free: Int { layout.capacity - sizeOfVariables }
}

extension VariableStore {
  /// The store's bytes: its headers, the variables in their order, and otherwise erased flash.
  ///
  /// - Throws: `EFIFault` when the variables need more room than there is.
  package func serialized() throws(EFIFault) -> [UInt8] {
    guard free >= 0 else {
      throw EFIFault(
        at: layout.storeEnd,
        "the variables need \(sizeOfVariables) bytes, and the store has room for \(layout.capacity)")
    }
    var bytes = headers
    bytes.reserveCapacity(layout.volumeSize + tail.count)
    for variable in variables {
      bytes += Records.bytes(of: variable, isAuthenticated: layout.isAuthenticated)
    }
    bytes += [UInt8](repeating: 0xff, count: layout.volumeSize - bytes.count)
    if let block = workingBlock {
      bytes.replaceSubrange(block.offset..<block.offset + block.header.count, with: block.header)
    }
    return bytes + tail
  }
}
