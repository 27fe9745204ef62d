import EFIVariables
import ImageModel
import Testing

@Suite("Edits, canonical form and differences")
struct StoreEditTests {
  private func empty(_ synthetic: SyntheticStore = SyntheticStore()) throws -> VariableStore {
    try VariableStore(reading: synthetic.bytes)
  }

  @Test("Set, get and delete")
  func edits() throws {
    var store = try empty()
    try store.set(Variable(key("A"), .standard, [1]))
    try store.set(Variable(key("B"), .standard, [2]))
    try store.set(Variable(key("A"), .standard, [3]))
    #expect(try store[key("A")]?.data == [3])
    #expect(store.variables.count == 2)
    let written = try VariableStore(reading: store.serialized())
    #expect(written == store)
    #expect(try store.delete(key("A")))
    #expect(try !store.delete(key("A")))
    #expect(try store[key("A")] == nil)
    #expect(throws: EFIFault.self) { try store.set(Variable(key("A"), .standard, [])) }
    #expect(VariableStore(emptyLike: store).variables.isEmpty)
  }

  @Test("A plain store takes no variable with a time")
  func plain() throws {
    var store = try empty(SyntheticStore(isAuthenticated: false))
    let signed = try Variable(key("A"), .signatureDatabase, [1], time: EFITime(year: 2025, month: 1, day: 1))
    #expect(throws: EFIFault.self) { try store.set(signed) }
  }

  @Test("A store is filled to its last byte, and not further")
  func room() throws {
    var store = try empty()
    // A header of 60 bytes, the name's 4.
    let most = store.layout.capacity - 64
    try store.set(Variable(key("A"), .standard, Array(repeating: 7, count: most)))
    #expect(try VariableStore(reading: store.serialized()).variables == store.variables)
    try store.set(Variable(key("A"), .standard, Array(repeating: 7, count: most + 1)))
    #expect(throws: EFIFault.self) { try store.serialized() }
  }

  @Test("Names are equal when their code units are")
  func names() throws {
    #expect(VariableName("\u{e9}") != VariableName("e\u{301}"))
    #expect(VariableName("") == nil)
    #expect(VariableName("a\0b") == nil)
    #expect(VariableName(units: [0xd800]) == nil)
  }

  @Test("The order and the history of a store do not matter to its canonical form")
  func canonical() throws {
    var generator = SplitMix(state: 5)
    let variables = try (0..<6).map { try Variable(key("Name\($0)"), .standard, generator.bytes(1 + $0)) }
    var forms: Set<[UInt8]> = []
    for _ in 0..<50 {
      var synthetic = SyntheticStore()
      for variable in variables.shuffled(using: &generator) {
        let name = variable.key.name.description
        if Bool.random(using: &generator) { synthetic.add(name, [9, 9], state: 0x3c) }
        let isInTransition = Bool.random(using: &generator)
        synthetic.add(name, variable.data, state: isInTransition ? 0x3e : 0x3f)
      }
      forms.insert(try VariableStore(reading: synthetic.bytes).canonical().serialized())
    }
    #expect(forms.count == 1)
  }

  @Test("The canonical form drops the error flag, and sets the counter back")
  func firmwareState() throws {
    var store = try empty()
    try store.set(Variable(.errorFlag, .standard, [0xef]))
    try store.set(Variable(.monotonicCounter, .standard, [9, 0, 0, 0]))
    #expect(store.canonical().variables == [Variable(.monotonicCounter, .standard, [1, 0, 0, 0])])
  }

  @Test("What firmware makes again is known by vendor and name")
  func remade() throws {
    let remade = ["ConIn", "ConOut", "ErrOut", "Key0000", "Key00FF"]
    let kept = ["Boot0000", "BootOrder", "Key", "Key000g", "Key00ff", "KEK", "Lang", "PK"]
    for name in remade { #expect(VariableKey(.globalVariable, name)?.isRemadeByFirmware == true) }
    for name in kept { #expect(VariableKey(.globalVariable, name)?.isRemadeByFirmware == false) }
    #expect(try !key("ConIn").isRemadeByFirmware)
    #expect(VariableKey.monotonicCounter.isRemadeByFirmware)
  }

  @Test("A difference says what was added, changed and removed")
  func difference() throws {
    var old = try empty()
    try old.set(Variable(key("Removed"), .standard, [1]))
    try old.set(Variable(key("Same"), .standard, [1]))
    try old.set(Variable(key("Data"), .standard, [1]))
    try old.set(Variable(key("Attributes"), .standard, [1]))
    var new = old
    try new.delete(key("Removed"))
    try new.set(Variable(key("Data"), .standard, [2]))
    try new.set(Variable(key("Attributes"), .signatureDatabase, [1]))
    try new.set(Variable(key("Added"), .standard, [1]))
    let difference = StoreDifference(from: old, to: new)
    #expect(try difference.added.map(\.key) == [key("Added")])
    #expect(try difference.removed.map(\.key) == [key("Removed")])
    #expect(try difference.changed.map(\.new.key) == [key("Attributes"), key("Data")])
    #expect(!difference.isEmpty)
    #expect(StoreDifference(from: old, to: old.canonical()).isEmpty)
  }

  @Test("A store of another size or kind is not taken for its template's")
  func template() throws {
    let store = try empty()
    try store.checkHeaders(sameAs: store)
    for other in [
      SyntheticStore(storeSize: 0x300), SyntheticStore(isAuthenticated: false),
      SyntheticStore(volumeSize: 0x1000), SyntheticStore(tail: [0]),
    ] {
      let other = try empty(other)
      #expect(throws: EFIFault.self) { try store.checkHeaders(sameAs: other) }
    }
  }

  @Test("Random variables come back from a store and from JSON")
  func random() throws {
    var generator = SplitMix(state: 17)
    for isAuthenticated in [true, false] {
      for _ in 0..<100 {
        var store = try empty(
          SyntheticStore(isAuthenticated: isAuthenticated, storeSize: 0x3000, volumeSize: 0x4000))
        for _ in 0..<Int.random(in: 0...8, using: &generator) {
          try store.set(randomVariable(&generator, isAuthenticated))
        }
        #expect(try VariableStore(reading: store.serialized()) == store)
        #expect(try VariablesJSON.decode(VariablesJSON.encode(store.variables)) == store.variables)
      }
    }
  }
}
