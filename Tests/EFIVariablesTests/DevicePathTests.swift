import EFIVariables
import ImageModel
import Testing

@Suite("Device paths")
struct DevicePathTests {
  private static let guid = GUID(high: 0x0102_0304_0506_4708, low: 0x890a_0b0c_0d0e_0f10)
  private static let onWire = "0403020106050847890a0b0c0d0e0f10"

  /// Text, and the bytes of its nodes, written down from UEFI 2.10, 10.3 and 10.6.
  static let examples: [(text: String, bytes: String)] = [
    ("PciRoot(0x0)", "02010c00d041030a00000000"),
    ("PcieRoot(0x1)", "02010c00d041080a01000000"),
    ("Serial(0x0)", "02010c00d041010500000000"),
    ("Acpi(PNP0510,0x2)", "02010c00d041100502000000"),
    ("Acpi(0x12345678,0x0)", "02010c007856341200000000"),
    ("AcpiAdr(0x80010100)", "0203080000010180"),
    ("AcpiAdr(0x80010100,0x1)", "02030c000001018001000000"),
    ("Pci(0x1f,0x2)", "01010600021f"),
    ("VenHw(\(guid))", "01041400" + onWire),
    ("VenMsg(\(guid),00ff)", "030a1600" + onWire + "00ff"),
    ("VenMedia(\(guid))", "04031400" + onWire),
    ("Scsi(0x1,0x2)", "0302080001000200"),
    ("USB(0x3,0x0)", "030506000300"),
    ("Sata(0x0,0xffff,0x0)", "03120a000000ffff0000"),
    ("NVMe(0x1,01-02-03-04-05-06-07-08)", "03171000010000000807060504030201"),
    ("MAC(525400123456,0x1)", "030b2500525400123456" + String(repeating: "00", count: 26) + "01"),
    (
      "IPv4(10.0.2.2,TCP,DHCP,10.0.2.15,0.0.0.0,255.255.255.0)",
      "030c1b000a00020f0a000202000000000600" + "00" + "00000000ffffff00"
    ),
    (
      "IPv6(fe80:0000:0000:0000:0000:0000:0000:0001,UDP,StatelessAutoConfigure,"
        + "0000:0000:0000:0000:0000:0000:0000:0000,0x40,0000:0000:0000:0000:0000:0000:0000:0002)",
      "030d3c00" + String(repeating: "00", count: 16) + "fe80" + String(repeating: "00", count: 13) + "01"
        + "000000001100" + "0140" + String(repeating: "00", count: 15) + "02"
    ),
    ("Uri(http://a/b,c?d)", "03181200687474703a2f2f612f622c633f64"),
    ("Uri()", "03180400"),
    (
      "HD(1,GPT,\(guid),0x800,0x64000)",
      "04012a0001000000" + "0008000000000000" + "0040060000000000" + onWire + "0202"
    ),
    (
      "HD(2,MBR,0xa0b0c0d0,0x3f,0x1000)",
      "04012a0002000000" + "3f00000000000000" + "0010000000000000" + "d0c0b0a0"
        + String(repeating: "00", count: 12)
        + "0101"
    ),
    (#"\EFI\A.EFI"#, "04041a00" + #"\EFI\A.EFI"#.utf16.map { hexPair($0) }.joined() + "0000"),
    ("FvFile(\(guid))", "04061400" + onWire),
    ("Fv(\(guid))", "04071400" + onWire),
    ("Path(3,14,00c2010000000000080101)", "030e0f0000c2010000000000080101"),
    ("Uart(115200,8,N,1)", "030e13000000000000c2010000000000080101"),
    ("Uart(DEFAULT,DEFAULT,D,D)", "030e1300" + String(repeating: "00", count: 15)),
    ("Uart(300,7,E,1.5)", "030e1300000000002c01000000000000070202"),
    ("Path(3,14,000000000000000000000000080601)", "030e1300000000000000000000000000080601"),
    ("Path(9,9)", "09090400"),
  ]

  private static func hexPair(_ unit: UInt16) -> String {
    let digits = String(unit, radix: 16)
    return (digits.count < 2 ? "0" : "") + digits + "00"
  }

  @Test("Bytes and text are two forms of one node", arguments: examples)
  func forms(text: String, bytes: String) throws {
    let data = try #require(unhex(bytes)) + [0x7f, 0xff, 4, 0]
    let path = try DevicePath(reading: data)
    #expect(path.description == text)
    #expect(path.data == data)
    #expect(DevicePath(text) == path)
    let isGeneric = if case .generic = path.nodes.first { true } else { false }
    #expect(isGeneric == text.hasPrefix("Path"))
  }

  @Test("Instances and nodes are told apart")
  func instances() throws {
    let text = "PciRoot(0x0)/Pci(0x1,0x0),PciRoot(0x0)/Pci(0x2,0x0)/Uri(a,b/c)"
    let path = try #require(DevicePath(text))
    #expect(path.instances.map(\.count) == [2, 3])
    #expect(path.description == text)
    #expect(try DevicePath(reading: path.data) == path)
  }

  @Test(
    "What a short text would lose is in the long one",
    arguments: [
      .file("a/b"), .file("a,b"), .file("a(b)"), .file(""), .uri("a)b"), .uri("("), .uri("\0"),
      .mac(Array(repeating: 1, count: 32), interface: 1),
      .generic(type: 4, subtype: 4, [0x61, 0]), .generic(type: 3, subtype: 24, [0xff]),
      .generic(type: 4, subtype: 4, [0, 0xd8, 0, 0]), .generic(type: 4, subtype: 1, [1]),
    ] as [DevicePathNode])
  func long(node: DevicePathNode) throws {
    // Its text must not change how the one behind it is read.
    for path in [DevicePath([node]), DevicePath([node, .generic(type: 1, subtype: 0xff, [1])])] {
      #expect(DevicePath(path.description) == path, "\(path)")
      #expect(try DevicePath(reading: path.data) == path)
    }
  }

  @Test(
    "Text that is no path",
    arguments: [
      "Pci(1)", "Pci(1,2,3)", "Pci(256,0)", "Pci(1,2", "Pci(+1,0)", "Pci(-1,0)", "Pci(,)", "Pci()", "/",
      "a//b",
      "Nothing(1)", "HD(1,GPT,x,0,0)", "HD(1,XYZ,0,0,0)", "Path(1)", "Path(127,255)", "Path(1,1,0)",
      "MAC(0,1)",
      "NVMe(1,0)", "IPv4(1.2.3,TCP,DHCP,1.2.3.4,0.0.0.0,0.0.0.0)", "Sata(0x,0,0)", ")", "Pci(1,2)x",
    ])
  func bad(text: String) {
    #expect(DevicePath(text) == nil)
  }

  @Test(
    "Damaged bytes are refused at their place",
    arguments: [
      ("", 0), ("01", 1), ("0101", 2), ("01010300", 2), ("01010600", 4), ("010106000000", 6), ("7fff0500", 4),
      ("7f000400", 0), ("7fff040000", 4),
    ])
  func damaged(bytes: String, place: Int) throws {
    let data = try #require(unhex(bytes))
    let fault = #expect(throws: EFIFault.self) { try DevicePath(reading: data) }
    #expect(fault?.offset == place)
  }

  @Test("Random paths go to bytes and text, and back")
  func random() throws {
    var generator = SplitMix(state: 23)
    for _ in 0..<2000 {
      var path = DevicePath(instances: [])
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        path.instances.append(
          (0..<Int.random(in: 0...3, using: &generator)).map { _ in randomNode(&generator) })
      }
      #expect(try DevicePath(reading: path.data) == path)
      #expect(DevicePath(path.description) == path, "\(path)")
    }
  }

  private func randomNode(_ generator: inout SplitMix) -> DevicePathNode {
    let type = UInt8.random(in: 0...6, using: &generator)
    let subtype = UInt8.random(in: 0...25, using: &generator)
    return DevicePathNode(
      type, subtype,
      generator.bytes([0, 2, 4, 6, 8, 12, 16, 23, 33, 38, 56].randomElement(using: &generator) ?? 0))
  }
}

/// Bytes of hexadecimal text.
func unhex(_ text: String) -> [UInt8]? {
  let digits = text.compactMap(\.hexDigitValue)
  guard digits.count == text.count, digits.count.isMultiple(of: 2) else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
