import Basics
import Command
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
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
      try HostFiles.write(content, to: disk)
      try HostFiles.write(content, to: copy)
      let export = DiskExport(runner: runner)
      try await export.export(raw: disk, as: [output(format)], in: scratch)
      #expect(!HostFiles.exists(disk))
      let unpacked = scratch.appending("unpacked")
      if format.isPacked {
        try await export.unpack("image", format, to: "unpacked", in: ToolFolder(path: scratch))
      }
      let compared = format.isPacked ? unpacked : image
      try await runner.run(
        "qemu-img", "compare", "-f", "raw", "-F", format.qemuName, copy.string, compared.string)
    }
  }

  private func output(_ format: ImageFormat, _ file: String = "image") -> OutputImage {
    OutputImage(
      disk: "d", format: format, file: file, identifier: GUID(high: 0x0123_4567_89ab_5def, low: 0x8123 << 48))
  }

  /// qemu-img takes identifiers from chance and the clock; nothing of them may be left, and nothing be damaged.
  @Test func everyFormatIsTheSameBytesEachTime() async throws {
    try await withScratchDirectory { scratch in
      let images = ImageFormat.allCases.map { output($0, $0.rawValue) }
      for run in ["1", "2"] {
        let folder = scratch.appending(run)
        try HostFiles.makeDirectory(folder)
        let disk = folder.appending("disk")
        let content = (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 / 512 * 7 ^ $0 >> 3) }
        try HostFiles.makeSparseFile(disk, bytes: 64 << 20)
        try HostFiles.write(content, to: folder.appending("content"))
        try await FileRange.copy(of: folder.appending("content"), to: disk, at: 7 << 20)
        if run == "2" {
          // Zeros that are no hole.
          try HostFiles.write(Array(repeating: 0, count: 3 << 20), to: folder.appending("zeros"))
          try await FileRange.copy(of: folder.appending("zeros"), to: disk, at: 2 << 20)
        }
        try await DiskExport(runner: runner).export(raw: disk, as: images, in: folder)
        try await Task.sleep(for: .milliseconds(1100))
      }
      for image in images {
        let (first, second) = (scratch.appending("1/\(image.file)"), scratch.appending("2/\(image.file)"))
        try await runner.run("cmp", first.string, second.string)
        guard !image.format.isPacked else { continue }
        try await runner.run(
          "qemu-img", "compare", "-f", image.format.qemuName, "-F", "raw", first.string,
          scratch.appending("1/raw").string)
        if [.qcow2, .compressedQcow2, .vdi, .vmdk, .streamVMDK, .vhdx].contains(image.format) {
          try await runner.run("qemu-img", "check", "-f", image.format.qemuName, first.string)
        }
      }
      try await runner.run("zstd", "-q", "-t", scratch.appending("1/raw.zst").string)
      for name in ["vmdk", "vmdk-stream"] {
        let vmdk = try await runner.run("qemu-img", "info", scratch.appending("1/\(name)").string)
        #expect(vmdk.contains("cid: \(0x0123_4567)"))
      }
    }
  }

  @Test func aFileThatIsNotOfItsFormatIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("file")
      try HostFiles.makeSparseFile(file, bytes: 1 << 20)
      for format in [ImageFormat.vdi, .vpc, .fixedVPC, .vmdk, .streamVMDK, .vhdx] {
        #expect(throws: Fault.self) {
          try ImageIdentity(identifier: GUID(high: 1, low: 2), time: 946_814_400).write(to: file, format)
        }
      }
      #expect(try HostFiles.read(file).allSatisfy { $0 == 0 })
    }
  }

  @Test func aFailedConversionShowsItsCommand() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: Fault.self) {
        try await DiskExport(runner: runner).export(
          raw: scratch.appending("missing"), as: [output(.qcow2), output(.raw, "raw")], in: scratch)
      }
      #expect(error?.evidence.first?.contains("qemu-img convert -f raw -O qcow2") == true)
    }
  }

  @Test func aDigestIsThatOfSha256sum() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("file")
      try HostFiles.write((0..<9_000_000).map { UInt8(truncatingIfNeeded: $0) }, to: file)
      let expected = try await runner.run("sha256sum", file.string).prefix(64)
      #expect(try await FileDigest.sha256(of: file) == expected)
    }
  }

  @Test(arguments: [ImageFormat.vhdx, .vdi, .vmdk, .vpc])
  func cancellationEndsTheWritingOfIdentifiers(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("image")
      try await runner.run("qemu-img", "create", "-q", "-f", format.qemuName, image.string, "4M")
      await #expect(throws: CancellationError.self) {
        try await whenCancelled {
          try ImageIdentity(identifier: GUID(high: 1, low: 2), time: 1_000_000_000).write(to: image, format)
        }
      }
    }
  }

  /// A packed disk of zeros with a byte at its end.
  private func packed(_ format: ImageFormat, mebibytes: Int, in scratch: FilePath) async throws {
    let size = mebibytes << 20
    let script =
      format == .compressedRaw
      ? "(head -c \(size - 1) /dev/zero; printf x) | zstd -q >image"
      : "(head -c \(size - 1) /dev/zero; printf x) >disk.raw; tar --create --gzip --file=image disk.raw; rm disk.raw"
    try await runner.run("bash", "-ec", "cd \"$1\"; \(script)", "bash", scratch.string)
  }

  /// What an image says of its size is not asked, and what comes out is counted.
  @Test(arguments: [ImageFormat.compressedRaw, .archivedRaw])
  func anImageThatUnpacksToTooMuchIsRefused(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      try await packed(format, mebibytes: 65, in: scratch)
      #expect(try HostFiles.size(of: scratch.appending("image")) < 1 << 20)
      let export = DiskExport(runner: runner, largestUnpacked: 64 << 20)
      let error = await #expect(throws: Fault.self) {
        try await export.unpack("image", format, to: "disk", in: ToolFolder(path: scratch))
      }
      #expect(error?.kind == .badInput && error?.message.contains("more than 64.0 MiB") == true)
      #expect(!HostFiles.exists(scratch.appending("disk")))
    }
  }

  @Test(arguments: [ImageFormat.compressedRaw, .archivedRaw])
  func zerosOfAnUnpackedImageTakeNoRoom(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      try await packed(format, mebibytes: 64, in: scratch)
      try await runner.run("chmod", "640", scratch.appending("image").string)
      let export = DiskExport(runner: runner, largestUnpacked: 64 << 20)
      try await export.unpack("image", format, to: "disk", in: ToolFolder(path: scratch))
      let disk = scratch.appending("disk")
      #expect(try HostFiles.size(of: disk) == 64 << 20)
      #expect(try #require(allocatedSize(of: disk)) <= 2 << 20)
      #expect(try FileStatus(of: disk).permissions == 0o640)
      #expect(try HostFiles.read(disk).last == UInt8(ascii: "x"))
    }
  }
}
