import Command
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct DiskExportTests {
  private let runner = SubprocessRunner()

  @Test(arguments: ImageFormat.allCases)
  func everyFormatHoldsTheSameDisk(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      let (disk, copy, image) = (
        scratch.appending("disk"), scratch.appending("copy"), scratch.appending("image")
      )
      let content = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 / 512 * 7) }
      try FileSystem.write(content, to: disk)
      try FileSystem.write(content, to: copy)
      try await DiskExport(runner: runner).export(raw: disk, as: format, to: image)
      #expect(!FileSystem.exists(disk))
      try await runner.run(
        "qemu-img", "compare", "-f", "raw", "-F", format.qemuName, copy.string, image.string)
    }
  }

  @Test func aFailedConversionShowsItsCommand() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: BuildError.self) {
        try await DiskExport(runner: runner).export(
          raw: scratch.appending("missing"), as: .qcow2, to: scratch.appending("image"))
      }
      #expect(error?.details.first?.contains("$ qemu-img convert -f raw -O qcow2") == true)
    }
  }

  @Test func aDigestIsThatOfSha256sum() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("file")
      try FileSystem.write((0..<9_000_000).map { UInt8(truncatingIfNeeded: $0) }, to: file)
      let expected = try await runner.run("sha256sum", file.string).prefix(64)
      #expect(try await FileDigest.sha256(of: file) == expected)
    }
  }
}
