import ImageModel
import Testing

@Suite struct ByteSizeTests {
  @Test(arguments: [
    ("0", 0), ("512", 512), ("1K", 1024), ("512M", 512 << 20), ("4G", 4 << 30), ("4GiB", 4 << 30),
    ("1t", 1 << 40), ("2mib", 2 << 20),
  ])
  func sizesAreRead(text: String, bytes: UInt64) {
    #expect(ByteSize(text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "M", "-1", "1.5G", "1 G", "1GB", "1Gi", "0x10", "99999999999999999999", "18446744073709551615T", "٣",
  ])
  func otherTextsAreNot(text: String) {
    #expect(ByteSize(text) == nil)
  }

  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (300 << 20, "300.0 MiB"),
    (5 << 40, "5.0 TiB"), (UInt64.max, "16777215.9 TiB"),
  ])
  func sizesArePrintedForPeople(bytes: UInt64, text: String) {
    #expect(ByteSize(bytes: bytes).description == text)
  }

  @Test func roundingGoesUp() {
    #expect(ByteSize(bytes: 1).rounded(upTo: 4096).bytes == 4096)
    #expect(ByteSize(bytes: 4096).rounded(upTo: 4096).bytes == 4096)
  }
}
