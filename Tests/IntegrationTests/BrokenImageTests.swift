import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// A built image in which other tools break one thing, and what `slipway inspect` warns of.
@Suite(.virtualMachines, .serialized) struct BrokenImageTests {
  /// A copy of the image that may be broken.
  private struct Disk: Sendable {
    let image: FilePath
    let scratch: FilePath
    /// What it was before.
    let report: ImageReport
    let runner = SubprocessRunner()

    private func place(_ number: Int) throws -> UInt64 {
      try #require(report.disk.partitions.first { $0.number == number }).start
    }

    /// The default entry.
    func entry() throws -> BootEntryReport { try #require(report.entries.first { $0.isDefault }) }

    func mtools(_ program: String, _ arguments: String...) async throws {
      let place = "\(image)@@\(try place(1))"
      try await runner.run(
        Command(program, ["-i", place] + arguments, environment: ["MTOOLS_SKIP_CHECK": "1"]))
    }

    func addFile(_ content: Data, _ path: String) async throws {
      let file = scratch.appending("file")
      try content.write(to: URL(fileURLWithPath: file.string))
      try await mtools("mcopy", "-o", file.string, "::\(path)")
    }

    func debugfs(_ request: String) async throws {
      try await runner.run("debugfs", "-w", "-R", request, "\(image)?offset=\(try place(2))")
    }
  }

  private struct Defect: Sendable {
    let name: String
    let kinds: [BootWarning.Kind]
    /// Whether the variable store of the build is looked at, too.
    var hasStore = false
    let make: @Sendable (Disk) async throws -> Void

    init(
      _ name: String, _ kinds: [BootWarning.Kind], hasStore: Bool = false,
      _ make: @escaping @Sendable (Disk) async throws -> Void
    ) {
      (self.name, self.kinds, self.hasStore, self.make) = (name, kinds, hasStore, make)
    }
  }

  private static let fallback = "::/EFI/BOOT/BOOTX64.EFI"

  private static let defects: [Defect] = [
    Defect("nothing", []) { _ in },
    Defect("nothing, with its store", [], hasStore: true) { _ in },
    // The specialisation has the same kernel.
    Defect("the kernel is gone", [.missingFile, .missingFile]) { disk in
      let kernel = try #require(try disk.entry().files.first { $0.role == "linux" })
      try await disk.mtools("mdel", "::\(kernel.path)")
    },
    Defect("the root has a UUID that nothing has", [.missingFilesystem]) { disk in
      let entry = try disk.entry()
      let kernel = try #require(entry.files.first { $0.role == "linux" })
      let text = "title x\nlinux \(kernel.path)\noptions root=UUID=00000000-1111-4222-8333-444444444444\n"
      try await disk.addFile(Data(text.utf8), entry.file)
    },
    Defect("there is no fallback loader", [.noFallbackLoader]) { try await $0.mtools("mdel", fallback) },
    Defect("there is no fallback loader, and an entry", [], hasStore: true) {
      try await $0.mtools("mdel", fallback)
    },
    Defect("the ESP is another one than the entry's", [.bootEntry], hasStore: true) { disk in
      try await disk.runner.run(
        "sfdisk", "--quiet", "--part-uuid", disk.image.string, "1", "11111111-2222-4333-8444-555555555555")
    },
    Defect("neither a fallback loader nor the entry's ESP", [.bootEntry, .noFallbackLoader], hasStore: true) {
      disk in
      try await disk.runner.run(
        "sfdisk", "--quiet", "--part-uuid", disk.image.string, "1", "11111111-2222-4333-8444-555555555555")
      try await disk.mtools("mdel", fallback)
    },
    Defect("the generation has no boot.json", [.noBootSpecification]) { disk in
      let system = try #require(try disk.entry().system)
      try await disk.debugfs("rm \(system)/boot.json")
    },
    Defect("the generation leads nowhere", [.missingFile]) { disk in
      try await disk.debugfs("rm /nix/var/nix/profiles/system-1-link")
      try await disk.debugfs("symlink /nix/var/nix/profiles/system-1-link /nix/store/gone")
    },
    Defect("the ESP has no room", [.fullBootPartition]) { disk in
      let free = try #require(disk.report.disk.partitions.first?.content.free)
      try await disk.addFile(Data(count: Int(free) - (1 << 20)), "/full")
    },
    Defect("the default entry has no attempts left", [.noTriesLeft]) { disk in
      let file = try disk.entry().file
      try await disk.mtools("mren", "::\(file)", "::\(file.dropLast(".conf".count))+0-3.conf")
    },
    Defect("the copy of the table is damaged", [.damagedTable]) { disk in
      let size = try FileManager.default.attributesOfItem(atPath: disk.image.string)[.size] as? Int
      let script =
        "printf x | dd of=\"$1\" bs=1 seek=\(try #require(size) - 512 + 24) conv=notrunc status=none"
      try await disk.runner.run("sh", "-c", script, "sh", disk.image.string)
    },
  ]

  private func inspect(_ image: FilePath, store: FilePath?) async throws -> ImageReport {
    let flags = store.map { ["--efi-vars", $0.string] } ?? []
    let result = try await SlipwayCommand.run(["inspect", "--json", image.string] + flags)
    try #require(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(ImageReport.self, from: Data(result.output.utf8))
  }

  @Test func whatIsBrokenIsWarnedOf() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      try await BootLoaderTests.Cell(system: "tiny", table: "efi").build(to: out)
      let whole = out.appending("nixos.img")
      let report = try await inspect(whole, store: nil)
      for defect in Self.defects {
        let image = scratch.appending("disk.img")
        try await SubprocessRunner().run("cp", "--sparse=always", whole.string, image.string)
        try await defect.make(Disk(image: image, scratch: scratch, report: report))
        let store = defect.hasStore ? out.appending("efi-vars.fd") : nil
        let warnings = try await inspect(image, store: store).warnings
        #expect(warnings.map(\.kind) == defect.kinds, "\(defect.name): \(warnings)")
      }
    }
  }
}
