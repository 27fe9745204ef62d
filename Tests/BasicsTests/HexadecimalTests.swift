import Basics
import Testing

@Suite struct HexadecimalTests {
  @Test func bytesGoToTextAndBack() {
    let bytes = Array(UInt8.min...UInt8.max)
    let text = Hexadecimal.text(bytes)
    #expect(text.hasPrefix("000102") && text.hasSuffix("feff"))
    #expect(Hexadecimal.bytes(text) == bytes)
    #expect(Hexadecimal.bytes(text.uppercased()) == bytes)
    #expect(Hexadecimal.text(UInt16(0x1a).bigEndianBytes) == "001a")
  }

  @Test(arguments: ["0", "0g", " 00", "+0", "0x00", "éé"])
  func otherTextIsRefused(text: String) {
    #expect(Hexadecimal.bytes(text) == nil)
  }

  @Test func numbersOfBytes() {
    let bytes: [UInt8] = [1, 2, 3, 4]
    #expect(bytes.littleEndian(at: 0, 4) == 0x0403_0201)
    #expect(bytes.bigEndian(at: 2, 2) == 0x0304)
    #expect(
      bytes.littleEndian(at: 3, 2) == 0 && bytes.bigEndian(at: -1, 2) == 0 && bytes.bigEndian(at: 0, 9) == 0)
  }
}
