internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// What is printed of a comparison.

@Suite struct DiffTextTests {
  private static let result = ImageDifferences(
    differences: [
      ImageDifference(region: "partition table", path: "partition 2", field: "GUID", left: "a", right: "b"),
      ImageDifference(
        region: "partition 2 (ext4)", path: "/etc/hostname", field: "content", left: "61", right: "62",
        offset: 5, count: 1),
      ImageDifference(
        region: "partition 2 (ext4)", path: "/etc/new", field: "entry", left: nil, right: "file"),
      ImageDifference(region: "MBR", field: "boot code", left: "00", right: "01", offset: 3, count: 2),
    ], omitted: 1)

  @Test func differencesAreGroupedByRegion() {
    #expect(
      DiffText.lines(Self.result, limit: 200) == [
        "partition table", "  partition 2: GUID: a → b", "partition 2 (ext4)",
        "  /etc/hostname: content (from byte 5, 1 differ): 61 → 62",
        "  /etc/new: entry: file, on the right only", "MBR",
        "  boot code (from byte 3, 2 differ): 00 → 01", "… and 1 more",
      ])
  }

  @Test func theJSONIsTheGoldenOne() throws {
    try expectSnapshot(DiffText.json(Self.result), named: "diff.json")
  }

  @Test func whatIsBeyondTheLimitIsCounted() {
    #expect(
      DiffText.lines(Self.result, limit: 1) == [
        "partition table", "  partition 2: GUID: a → b", "… and 4 more",
      ])
  }
}
