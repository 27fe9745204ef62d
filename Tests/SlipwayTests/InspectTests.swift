internal import Foundation
internal import ImageModel
internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// What is printed of an image. Some of its text is what a hostile one would have.
@Suite struct InspectTests {
  private static let hostile = "<script>alert('1')</script>\u{1b}[31m\u{202e}\n&amp;\""

  private static func report() throws -> ImageReport {
    let disk = try #require(GUID("11111111-2222-4333-8444-555555555555"))
    let vendor = try #require(GUID("8be4df61-93ca-11d2-aa0d-00e098032b8c"))
    let system = "/nix/store/11111111111111111111111111111111-nixos"
    let partitions = [
      PartitionReport(
        number: 1, start: 1 << 20, size: 100 << 20, type: .efiSystem, typeName: "EFI system", guid: disk,
        name: "ESP",
        isActive: false,
        content: .init(
          kind: "FAT", label: "ESP", uuid: "1234-ABCD", size: 100 << 20, free: 60 << 20, isRead: true)),
      PartitionReport(
        number: 2, start: 101 << 20, size: 800 << 20, type: .linux, typeName: "Linux filesystem", guid: disk,
        name: hostile, isActive: false,
        content: .init(
          kind: "ext4", label: hostile, uuid: disk.description, size: 800 << 20, free: 200 << 20, isRead: true
        )),
      PartitionReport(
        number: 3, start: 901 << 20, size: 50 << 20, type: .swap, typeName: "Linux swap", guid: disk,
        name: "",
        isActive: false, content: .init(kind: "swap", label: nil, uuid: nil, isRead: false)),
    ]
    let entry = BootEntryReport(
      kind: .type1, identifier: "nixos-generation-1.conf", partition: 1,
      file: "/loader/entries/nixos-generation-1+2-1.conf", title: "NixOS",
      version: "Generation 1 NixOS 25.05",
      sortKey: "nixos", triesLeft: 2, triesDone: 1,
      files: [
        .init(role: "linux", path: "/EFI/nixos/kernel.efi", size: 9 << 20, isKnown: true),
        .init(role: "initrd", path: "/EFI/nixos/initrd.efi", size: nil, isKnown: true),
      ], options: "init=\(system)/init loglevel=4", sections: [], searches: [], system: system,
      profile: "system",
      generation: 1, isDefault: true)
    let unified = BootEntryReport(
      kind: .unified, identifier: "other.efi", partition: 1, file: "/EFI/Linux/other.efi", title: hostile,
      files: [.init(role: "efi", path: "/EFI/Linux/other.efi", size: 20 << 20, isKnown: true)], options: "",
      sections: [.init(name: ".linux", size: 9 << 20), .init(name: ".initrd", size: 10 << 20)], searches: [],
      isDefault: false)
    let generation = GenerationReport(
      profile: "system", number: 1, system: system, label: "25.05", kernel: "/nix/store/k/bzImage",
      hasBootSpecification: true, specialisations: [.init(name: "quiet", system: "\(system)-quiet")],
      mounts: [.init(device: "/dev/disk/by-label/nixos", place: "/", isOptional: false)], isCurrent: true,
      isDefault: true)
    return ImageReport(
      image: .init(file: "image/nixos.qcow2", format: .qcow2, fileSize: 400 << 20),
      disk: DiskReport(
        table: .gpt, guid: disk, sectorSize: 512, size: 1 << 30, faults: [], partitions: partitions),
      bootFiles: [
        .init(partition: 1, path: "/EFI/", size: 0), .init(partition: 1, path: "/EFI/\(hostile)", size: 20),
      ],
      programs: [
        .init(partition: 1, path: "/EFI/BOOT/BOOTX64.EFI", name: "systemd-boot 257", isFallback: true)
      ], entries: [entry, unified], generations: [generation],
      nixDatabase: .init(
        partition: 2, paths: 500, references: 4000, narSize: 600 << 20, latestRegistration: 1),
      efiVariables: [
        .init(name: "BootOrder", vendor: vendor, attributes: "NV+BS+RT", size: 2, value: "0001")
      ],
      build: .init(
        steps: [.init(name: "closure", seconds: 1.25), .init(name: hostile, seconds: .infinity)],
        screenshots: [.init(file: "boot.png", png: "iVBORw0KGgo=")]),
      warnings: [
        .init(
          kind: .missingFile,
          text: "Entry 'nixos-generation-1.conf': its initrd '/EFI/nixos/initrd.efi' is missing"),
        .init(kind: .bootEntry, text: hostile),
      ], notes: ["partition 3 was not read"])
  }

  @Test func theTextIsTheGoldenOne() throws {
    let lines = InspectText.lines(try Self.report())
    try expectSnapshot(lines.joined(separator: "\n") + "\n", named: "inspect.txt")
  }

  @Test func theJSONIsTheGoldenOne() throws {
    var report = try Self.report()
    report.build?.steps[1].seconds = 2
    try expectSnapshot(InspectText.json(report), named: "inspect.json")
  }

  @Test func thePageIsTheGoldenOne() throws {
    try expectSnapshot(InspectPage.html(try Self.report()), named: "inspect.html")
  }

  @Test func nothingOfAnImageIsMarkup() throws {
    let page = InspectPage.html(try Self.report())
    #expect(!page.contains("<script"))
    #expect(!page.contains("\u{202e}"))
    #expect(!page.contains("\u{1b}"))
    // Of these there are only the page's own.
    #expect(page.ranges(of: "<img").count == 1)
    #expect(!page.contains("href"))
    #expect(!page.contains("http:"))
  }

  @Test func anEmptyReportHasAPage() {
    let report = ImageReport(
      image: .init(file: "a.img", format: .raw, fileSize: 0),
      disk: DiskReport(table: .none, sectorSize: 512, size: 0, faults: [], partitions: []), bootFiles: [],
      programs: [], entries: [], generations: [], warnings: [], notes: [])
    #expect(InspectPage.html(report).contains("</html>"))
    #expect(InspectText.lines(report) == ["a.img: raw, 0 B, with a disk of 0 B"])
  }
}
