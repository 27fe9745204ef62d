import Basics
import EFIVariables
import ImageModel
import Testing

@Suite("Values as text")
struct ValueTextTests {
  static let values: [(VariableKey, VariableValue, String)] = [
    (.bootOrder, .order([0, 0x1a]), "0000,001A"),
    (.bootOrder, .order([]), ""),
    (.bootNext, .number(0x102), "0102"),
    (.timeout, .number(10), "10"),
    (.osIndications, .flags(1), "0x1"),
    (.setupMode, .isOn(false), "off"),
    (.loaderEntryDefault, .text("nixos-generation-1.conf"), "nixos-generation-1.conf"),
    (.platformLang, .language("de\0"), "de"),
    (.lang, .language("eng"), "eng"),
  ]

  @Test("Each goes to text and back", arguments: values)
  func round(key: VariableKey, value: VariableValue, text: String) throws {
    #expect(value.text(for: key) == text)
    #expect(try VariableValue(text: text, for: key) == value)
  }

  @Test(
    "Text that is no value is refused",
    arguments: [
      (.bootOrder, "1"), (.bootOrder, "0001,"), (.bootOrder, "000g"), (.bootNext, "+001"), (.timeout, "-1"),
      (.timeout, "65536"), (.osIndications, "x"), (.setupMode, "1"), (.boot(0), "a"), (.signatures, "a"),
      (.secureBootEnable, "1"), (.loaderEntryDefault, "a\0"), (.platformLang, "ä"),
    ] as [(VariableKey, String)])
  func refuse(key: VariableKey, text: String) {
    #expect(throws: Fault.self) { try VariableValue(text: text, for: key) }
  }

  @Test("A terminal is shown what a store says, and does not obey it")
  func escapes() {
    #expect(printable("a\u{1b}[2J\u{202e}b\u{9b}\n") == #"a\u{1b}[2J\u{202e}b\u{9b}\u{a}"#)
    let option = LoadOption("\u{7}x", [DevicePath([.file("\u{8}")])], attributes: [], optionalData: [1])
    #expect(option.text == #""\u{7}x" \u{8} inactive with 1 bytes of data"#)
  }

  @Test("What is malformed is shown as bytes, with the fault")
  func malformed() {
    #expect(Variable(.bootNext, .standard, [1]).text.hasPrefix("01 (malformed at 0x0"))
  }

  @Test("A variable is found by its name, its vendor, or both")
  func reference() throws {
    let other = GUID(high: 1, low: 2)
    var store = try VariableStore(reading: SyntheticStore().bytes)
    try store.set(Variable(.bootNext, .standard, [1, 0]))
    let foreign = try #require(VariableKey(other, "Foreign"))
    try store.set(Variable(foreign, .standard, [1]))
    #expect(try VariableKey("BootNext", vendor: nil, in: store) == .bootNext)
    #expect(try VariableKey("Foreign", vendor: nil, in: store) == foreign)
    #expect(try VariableKey("Foreign-\(other)", vendor: nil, in: store) == foreign)
    #expect(try VariableKey("db", vendor: nil, in: store) == .signatures)
    #expect(try VariableKey("LoaderEntryOneShot", vendor: nil, in: store) == .loaderEntryOneShot)
    #expect(try VariableKey("BootNext", vendor: other, in: store).vendor == other)
    #expect(throws: Fault.self) { try VariableKey("Unknown", vendor: nil, in: store) }
    #expect(throws: Fault.self) { try VariableKey("", vendor: nil, in: store) }
    try store.set(Variable(VariableKey(other, VariableKey.bootNext.name), .standard, [1, 0]))
    #expect(throws: Fault.self) { try VariableKey("BootNext", vendor: nil, in: store) }
  }

  @Test("A difference is told by variable")
  func difference() throws {
    let empty = try VariableStore(reading: SyntheticStore().bytes)
    var old = empty
    try old.set(Variable(.bootNext, .standard, [1, 0]))
    try old.set(Variable(.bootOrder, .standard, [1, 0]))
    try old.set(Variable(.timeout, .standard, [0, 0]))
    var new = empty
    try new.set(Variable(.bootOrder, .standard, [2, 0, 1, 0]))
    try new.set(Variable(.setupMode, .standard, [1]))
    try new.set(Variable(.timeout, [.nonVolatile], [0, 0]))
    let vendor = GUID.globalVariable
    #expect(
      StoreDifference(from: old, to: new).lines == [
        "- BootNext-\(vendor)  0001", "~ BootOrder-\(vendor)  0001 → 0002,0001", "+ SetupMode-\(vendor)  on",
        "~ Timeout-\(vendor)  0 (NV+BS+RT) → (NV)",
      ])
  }
}
