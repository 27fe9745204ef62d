import ImageModel
import Testing

@Suite struct ByteSizeTests {
  private static let sizes: [String: UInt64] = [
    "0": 0, "512": 512, "1K": 1024, "512M": 536_870_912, "4G": 4_294_967_296, "4GiB": 4_294_967_296,
    "1t": 1_099_511_627_776, "2mib": 2_097_152, "1.5G": 1_610_612_736, "0.5K": 512, ".5K": 512,
    "1Gi": 1_073_741_824, "2P": 2_251_799_813_685_248, "15E": 17_293_822_569_102_704_640,
    "1.000000000000000001E": 1_152_921_504_606_846_978, "0.1K": 103, "1.1": 2,
    "0.999999999999999999K": 1024,
  ]

  /// As `numfmt --from=iec` reads them, which make-disk-image gives `additionalSpace` to.
  @Test(arguments: sizes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  func sizesAreRead(text: String, bytes: UInt64) {
    #expect(ByteSize(text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "M", "-1", "1.G", ".", ".G", "1,5G", "1.5.5G", "1 G", "1GB", "1I", "1Zi", "16E",
    "15.9999999999999999999E",
    "0x10", "99999999999999999999", "18446744073709551615T", "٣",
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

  @Test func sumsAndMultiplesStayWithinTheirBits() {
    #expect(ByteSize.mebibytes(.max).bytes == .max)
    #expect((ByteSize(bytes: .max) + ByteSize(bytes: 1)).bytes == .max)
    #expect(ByteSize(bytes: .max).rounded(upTo: 4096).bytes == .max)
    #expect(ByteSize(.max, times: 4096).bytes == .max)
  }

  @Test func roundingGoesUp() {
    #expect(ByteSize(bytes: 1).rounded(upTo: 4096).bytes == 4096)
    #expect(ByteSize(bytes: 4096).rounded(upTo: 4096).bytes == 4096)
  }
}
