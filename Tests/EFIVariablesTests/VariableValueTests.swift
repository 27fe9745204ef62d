import EFIVariables
import ImageModel
import Testing

@Suite("Values of variables")
struct VariableValueTests {
  private static let file = DevicePath([
    .hardDrive(
      .init(partition: 1, start: 2048, size: 4096, signature: .gpt(GUID(high: 1, low: 2)))),
    .file(#"\EFI\systemd\systemd-bootx64.efi"#),
  ])
  private static let lists = [
    SignatureList(
      type: SignatureList.sha256,
      signatures: [
        .init(owner: GUID(high: 3, low: 4), data: Array(0..<32)),
        .init(owner: GUID(high: 5, low: 6), data: Array(1...32)),
      ]),
    SignatureList(
      type: SignatureList.x509, header: [1, 2],
      signatures: [.init(owner: GUID(high: 7, low: 8), data: [0x30])]),
  ].compactMap { $0 }

  static let values: [(VariableKey, VariableValue, [UInt8]?)] = [
    (.bootOrder, .order([0, 0x1a]), [0, 0, 0x1a, 0]),
    (.driverOrder, .order([]), []),
    (.bootNext, .number(0x102), [2, 1]),
    (.osIndications, .flags(VariableValue.bootToFirmwareInterface), [1, 0, 0, 0, 0, 0, 0, 0]),
    (.secureBoot, .isOn(true), [1]),
    (.setupMode, .isOn(false), [0]),
    (.boot(0x1a), .loadOption(LoadOption("Linux Boot Manager", [file])), nil),
    (
      .driver(0), .loadOption(LoadOption("", [file, DevicePath([])], attributes: [], optionalData: [1])), nil
    ),
    (.platformKey, .signatures(lists), nil),
    (.keyExchangeKeys, .signatures(lists), nil),
    (.signatures, .signatures(lists), nil),
    (.forbiddenSignatures, .signatures([]), []),
    (.loaderEntryOneShot, .text("a.conf"), [0x61, 0, 0x2e, 0, 0x63, 0, 0x6f, 0, 0x6e, 0, 0x66, 0, 0, 0]),
    (.loaderEntryDefault, .text(""), [0, 0]),
    (.loaderDevicePartition, .text("8BE4DF61-93CA-11D2-AA0D-00E098032B8C"), nil),
    (named(.bootLoader, "LoaderEntries"), .texts(["a", "b"]), [0x61, 0, 0, 0, 0x62, 0, 0, 0]),
    (named(.bootLoader, "LoaderFeatures"), .flags(.max), nil),
    (named(.bootLoader, "LoaderSystemToken"), .bytes([1, 2]), [1, 2]),
    (named(.globalVariable, "ConOut"), .path(file), nil),
    (named(.globalVariable, "PlatformLang"), .language("en\0"), [0x65, 0x6e, 0]),
    (named(.globalVariable, "Boot1"), .bytes([1]), [1]),
  ]

  private static func named(_ vendor: GUID, _ name: String) -> VariableKey {
    VariableKey(vendor, name) ?? .bootNext
  }

  @Test("Each goes to bytes and back", arguments: values)
  func round(key: VariableKey, value: VariableValue, bytes: [UInt8]?) throws {
    if let bytes { #expect(value.data == bytes) }
    #expect(try VariableValue(of: Variable(key, .standard, value.data)) == value)
  }

  private static let zeroGUID = String(repeating: "00", count: 16)
  static let malformed: [(VariableKey, String)] = [
    (.bootOrder, "000001"),
    (.bootNext, "00"),
    (.bootNext, "000000"),
    (.osIndications, "00"),
    (.secureBoot, "02"),
    (.secureBoot, "0101"),
    (.boot(0), ""),
    (.boot(0), "010000000000"),
    (.boot(0), "01000000ff000000"),
    (.boot(0), "010000000400000001010600"),
    (.loaderEntryOneShot, "6100"),
    (.loaderEntryOneShot, "00d80000"),
    (.loaderEntryOneShot, "610000006200"),
    (.signatures, "00"),
    (.signatures, "\(zeroGUID)000000000000000000000000"),
    (.signatures, "\(zeroGUID)2c000000ffffffff10000000\(zeroGUID)"),
    (.signatures, "\(zeroGUID)2c000000000000000f000000\(zeroGUID)"),
    (.signatures, "\(zeroGUID)ffffffff0000000010000000\(zeroGUID)"),
    (.signatures, "\(zeroGUID)1c0000000000000010000000"),
  ]

  @Test("What is known by its name and malformed is refused", arguments: malformed)
  func refuse(key: VariableKey, data: String) throws {
    let variable = try Variable(key, .standard, #require(unhex(data)))
    #expect(throws: EFIFault.self) { try VariableValue(of: variable) }
  }

  @Test("A signature list has signatures, of one size")
  func lists() {
    #expect(SignatureList(type: SignatureList.x509, signatures: []) == nil)
    let owner = GUID(high: 1, low: 1)
    #expect(
      SignatureList(
        type: SignatureList.x509, signatures: [.init(owner: owner, data: [1]), .init(owner: owner, data: [])])
        == nil)
  }

  @Test("Boot numbers have four digits, upper case")
  func numbers() {
    #expect(VariableKey.boot(0xab).description == "Boot00AB-8be4df61-93ca-11d2-aa0d-00e098032b8c")
    #expect(VariableKey.boot(0xab).bootNumber == 0xab)
    for name in ["Boot00ab", "Boot+0AB", "Boot0", "BootOrder", "Boot00000", "Driver0000"] {
      #expect(VariableKey(.globalVariable, name)?.bootNumber == nil)
    }
    #expect(VariableKey(.bootLoader, "Boot0000")?.bootNumber == nil)
  }

  @Test("Random options and lists go to bytes and back")
  func random() throws {
    var generator = SplitMix(state: 29)
    for _ in 0..<500 {
      let node = DevicePathNode(
        UInt8.random(in: 1...4, using: &generator), UInt8.random(in: 1...24, using: &generator),
        generator.bytes(38))
      let option = LoadOption(
        "Entry 字 \(generator.next())",
        [DevicePath([node, node]), Self.file].dropLast(Int.random(in: 0...2, using: &generator)),
        attributes: .init(rawValue: UInt32(truncatingIfNeeded: generator.next())),
        optionalData: generator.bytes(Int.random(in: 0...9, using: &generator)))
      #expect(try LoadOption(reading: option.data) == option)
      let size = Int.random(in: 0...40, using: &generator)
      let signatures = try (0..<Int.random(in: 1...4, using: &generator)).map { _ in
        try SignatureList.Signature(
          owner: #require(GUID(bytes: generator.bytes(16))), data: generator.bytes(size))
      }
      let list = try #require(
        SignatureList(type: SignatureList.x509, header: generator.bytes(size), signatures: signatures))
      let value = VariableValue.signatures([list, list])
      #expect(try VariableValue(of: Variable(.signatures, .signatureDatabase, value.data)) == value)
    }
  }
}
