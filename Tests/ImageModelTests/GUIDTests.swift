import ImageModel
import Testing

@Suite struct GUIDTests {
  @Test func theTextFormRoundTripsInLowerCase() throws {
    let guid = try #require(GUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"))
    #expect(guid.description == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
    #expect(PartitionType.efiSystem == .guid(guid))
  }

  @Test func theFirstThreeGroupsAreLittleEndianOnDisk() throws {
    let bytes = try #require(GUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")).littleEndianBytes
    #expect(
      bytes == [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b])
  }

  @Test(arguments: [
    "97FD5997-D90B-4AA3-8D16-C1723AEA73C", "", "-", "c12a7328f81f11d2ba4b00a0c93ec93b",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93g", "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b}",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b ", "c12a7328--f81f11d2-ba4b-00a0c93ec93b",
  ])
  func anythingElseIsRefused(text: String) {
    #expect(GUID(text) == nil)
  }

  @Test func otherCountsOfBytesAreRefused() {
    #expect(GUID(bytes: [UInt8](repeating: 1, count: 15)) == nil)
    #expect(GUID(bytes: [UInt8](repeating: 1, count: 16)) != nil)
  }
}
