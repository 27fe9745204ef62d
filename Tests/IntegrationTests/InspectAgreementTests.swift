import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// `slipway inspect` against other tools that read images, on images of Slipway's and of others.
@Suite(.virtualMachines, .serialized) struct InspectAgreementTests {
  /// Every cell takes a build and a machine of libguestfs's: `make test-all` does them all.
  private static let cells =
    ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == nil
    ? [BootLoaderTests.Cell(system: "xbootldr", table: "efixbootldr")] : BootLoaderTests.all

  @Test(arguments: cells)
  func anImageIsReadAsOthersReadIt(cell: BootLoaderTests.Cell) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      try await cell.build(to: out)
      let report = try await OtherReaders(out.appending("nixos.img"), in: scratch).expectAgreement()
      let system = try await TestSystem.path(cell.system)
      #expect(report.generations.map(\.system) == [system])
      #expect(report.entries.filter(\.isDefault).map(\.system) == [system])
      #expect(report.entries.contains { $0.specialisation == "verbose" && $0.generation == 1 })
      #expect(report.entries.flatMap(\.files).allSatisfy { $0.isKnown && $0.size != nil })
      // Without its variable store, an image of GRUB's may have nothing that firmware finds.
      #expect(report.warnings.filter { $0.kind != .noFallbackLoader } == [])
    }
  }

  @Test(.sweep) func whatVirtMakeFsMakesIsReadAsOthersReadIt() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("disk.img")
      try await ForeignImages(in: scratch).virtMakeFs(image)
      let report = try await OtherReaders(image, in: scratch).expectAgreement()
      #expect(report.disk.partitions.map(\.content.label) == ["<i>&amp;"])
      #expect(report.warnings == [])
    }
  }

  @Test(.sweep) func debianWithGRUBIsReadAsOthersReadIt() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("disk.img")
      let version = try await ForeignImages(in: scratch).debian(image)
      let report = try await OtherReaders(image, in: scratch).expectAgreement()
      #expect(report.disk.partitions.map(\.number) == [1, 2, 3, 5, 6])
      let options = "Advanced options for Debian GNU/Linux > Debian GNU/Linux, with Linux \(version)"
      #expect(
        report.entries.map(\.title) == ["Debian GNU/Linux", options, "\(options) (recovery mode)"])
      #expect(report.entries.map(\.isDefault) == [true, false, false])
      let root = "root=UUID=\(ForeignImages.debianUUID) ro"
      #expect(report.entries.map(\.options) == ["\(root) quiet", "\(root) quiet", "\(root) single"])
      for entry in report.entries {
        #expect(entry.files.map(\.path) == ["/boot/vmlinuz-\(version)", "/boot/initrd.img-\(version)"])
        #expect(entry.files.allSatisfy { $0.isKnown && $0.size != nil })
        #expect(entry.searches == ["UUID=\(ForeignImages.debianUUID)"])
      }
      #expect(report.generations == [])
      #expect(report.warnings == [])
    }
  }

  @Test func whatSystemdRepartMakesIsReadAsOthersReadIt() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("disk.img")
      try await ForeignImages(in: scratch).repart(image)
      let report = try await OtherReaders(image, in: scratch).expectAgreement()
      #expect(report.disk.partitions.map(\.content.kind) == ["FAT", "btrfs", "swap", "unknown", "unknown"])
      #expect(report.disk.partitions.map(\.content.isRead) == [true, true, false, false, false])
      #expect(report.entries.count == 3)
      #expect(report.entries.flatMap(\.files).allSatisfy { $0.size != nil })
      #expect(report.warnings.map(\.kind) == [.noFallbackLoader])
      #expect(try await guests(of: scratch) == [])
    }
  }
}
