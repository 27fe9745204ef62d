import Basics
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// A change of a disk that boots, and what is warned of.
struct Defect: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let kinds: [BootWarning.Kind]
  let change: @Sendable (inout InspectDisk) -> Void

  init(_ name: String, _ kinds: [BootWarning.Kind], _ change: @escaping @Sendable (inout InspectDisk) -> Void)
  {
    (testDescription, self.kinds, self.change) = (name, kinds, change)
  }
}

private let entry = "loader/entries/nixos-generation-2.conf"

private let defects: [Defect] = [
  Defect("nothing", []) { _ in },
  Defect("a kernel that is missing", [.missingFile, .missingFile]) {
    $0.bootFiles["EFI/nixos/kernel.efi"] = nil
  },
  Defect("an entry that names nothing", [.missingFile]) { $0.bootFiles[entry] = "title NixOS\n" },
  Defect("a root that nothing has", [.missingFilesystem]) {
    $0.bootFiles[entry]? += "options root=UUID=00000000-0000-4000-8000-000000000000\n"
  },
  Defect("a mount that nothing has", [.missingFilesystem]) {
    $0.rootFiles["\(InspectDisk.older.dropFirst())/etc/fstab"] = "LABEL=gone / ext4\n"
  },
  Defect("no fallback loader", [.noFallbackLoader]) { $0.bootFiles["EFI/BOOT/BOOTX64.EFI"] = nil },
  Defect("no boot specification", [.noBootSpecification]) {
    $0.rootFiles["\(InspectDisk.older.dropFirst())/boot.json"] = nil
  },
  Defect("a generation that leads nowhere", [.missingFile]) {
    $0.rootFiles["nix/var/nix/profiles/system-3-link"] = "-> /nix/store/gone"
  },
  Defect("a default without attempts", [.noTriesLeft]) {
    $0.bootFiles["loader/entries/nixos-generation-2+0-3.conf"] = $0.bootFiles.removeValue(forKey: entry)
  },
  Defect("an ESP without room", [.fullBootPartition]) {
    $0.bootFiles["EFI/nixos/kernel.efi"] = String(repeating: "k", count: 5 << 20)
  },
]

@Suite struct ImageInspectionTests {
  @Test func aDiskIsReported() async throws {
    let report = try await InspectDisk().report()
    #expect(report.disk.table == .gpt)
    #expect(report.disk.partitions.map(\.content.kind) == ["FAT", "ext4"])
    #expect(report.disk.partitions.map(\.content.label) == ["ESP", "nixos"])
    #expect(report.disk.partitions.map(\.content.uuid) == ["1234-ABCD", InspectDisk.rootUUID])
    #expect(report.disk.partitions.map(\.typeName) == ["EFI system", "Linux filesystem"])
    #expect(report.entries.map(\.identifier) == ["nixos-generation-2.conf", "nixos-generation-1.conf"])
    #expect(report.entries.map(\.isDefault) == [true, false])
    #expect(report.entries.map(\.generation) == [2, 1])
    #expect(report.entries.map(\.system) == [InspectDisk.system, InspectDisk.older])
    #expect(report.entries[0].files.map(\.size) == [6, 6])
    #expect(report.generations.map(\.number) == [1, 2])
    #expect(report.generations.map(\.isCurrent) == [false, true])
    #expect(report.generations.map(\.isDefault) == [false, true])
    #expect(report.generations[1].specialisations.map(\.name) == ["quiet"])
    #expect(report.bootFiles.contains(BootFile(partition: 1, path: "/EFI/nixos/kernel.efi", size: 6)))
    #expect(report.notes == [])
  }

  @Test(arguments: defects)
  func whatWillNotBootIsWarnedOf(defect: Defect) async throws {
    var disk = InspectDisk()
    defect.change(&disk)
    let report = try await disk.report()
    #expect(report.warnings.map(\.kind) == defect.kinds, "\(report.warnings)")
  }

  /// Where a name's letters are all of one case, mtools and Linux write no long name.
  @Test func namesOfSmallLettersAreShownAsTheyWereWritten() async throws {
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk.img")
      try HostFiles.makeSparseFile(disk, bytes: 8 << 20)
      let runner = SubprocessRunner()
      try await runner.run("mkfs.fat", disk.string)
      try await runner.run("mmd", "-i", disk.string, "::/loader", "::/loader/entries", "::/EFI")
      let entry = scratch.appending("a.conf")
      try HostFiles.write(Array("title A\nlinux /EFI/kernel\n".utf8), to: entry)
      try await runner.run("mcopy", "-i", disk.string, entry.string, "::/loader/entries")
      try await runner.run("mcopy", "-i", disk.string, entry.string, "::/EFI/kernel.EFI")
      let report = try await ImageInspection(disk.string).run()
      #expect(report.entries.map(\.identifier) == ["a.conf"])
      #expect(
        report.bootFiles.map(\.path) == [
          "/EFI/", "/EFI/kernel.EFI", "/loader/", "/loader/entries/", "/loader/entries/a.conf",
        ])
    }
  }

  @Test func anEntryOfANewerBuilderIsJoinedByItsSystem() async throws {
    var disk = InspectDisk()
    let name = "loader/entries/nixos-0123456789abcdef+3.conf"
    disk.bootFiles[name] = disk.bootFiles.removeValue(forKey: entry)
    disk.bootFiles["loader/loader.conf"] = "preferred nixos-0123456789abcdef.conf\ndefault nixos-*\n"
    let found = try #require(try await disk.report().entries.first { $0.isDefault })
    #expect(found.identifier == "nixos-0123456789abcdef.conf")
    #expect(found.triesLeft == 3)
    #expect(found.generation == 2)
  }

  @Test func grubsMenuIsReadFromTheRoot() async throws {
    var disk = InspectDisk()
    disk.bootFiles = ["EFI/BOOT/BOOTX64.EFI": InspectDisk.program()]
    disk.rootFiles["boot/grub/grub.cfg"] = """
      set default=0
      menuentry "NixOS" {
        search --set=drive1 --fs-uuid \(InspectDisk.rootUUID)
        linux ($drive1)\(InspectDisk.system)/kernel init=\(InspectDisk.system)/init
        initrd ($drive1)/boot/initrd
      }
      menuentry "Other" {
        search --set=drive1 --fs-uuid 99999999-3333-4444-5555-666677778888
        linux ($drive1)/kernel
      }

      """
    disk.rootFiles["\(InspectDisk.system.dropFirst())/kernel"] = "kernel"
    let report = try await disk.report()
    #expect(report.entries.map(\.kind) == [.grub, .grub])
    #expect(report.entries.map(\.generation) == [2, nil])
    #expect(report.entries.map(\.isDefault) == [true, false])
    #expect(report.entries.flatMap { $0.files.map(\.size) } == [6, nil, nil])
    // The other filesystem may have its kernel: it is said once that it is not there.
    #expect(report.warnings.map(\.kind) == [.missingFile, .missingFilesystem])
  }

  @Test func aUnifiedKernelImageIsAnEntry() async throws {
    var disk = InspectDisk()
    disk.bootFiles["EFI/Linux/nixos-generation-2-abcdef+1-2.efi"] = InspectDisk.program([
      (".osrel", "ID=nixos\nPRETTY_NAME=\"NixOS 25.05\"\nVERSION_ID=25.05\n"),
      (".cmdline", "init=\(InspectDisk.system)/init quiet"), (".linux", "kernel"), (".initrd", "initrd"),
    ])
    let report = try await disk.report()
    let entry = try #require(report.entries.first { $0.kind == .unified })
    #expect(entry.identifier == "nixos-generation-2-abcdef.efi")
    #expect(entry.title == "NixOS 25.05")
    #expect(entry.version == "25.05")
    #expect(entry.sortKey == "nixos")
    #expect(entry.options == "init=\(InspectDisk.system)/init quiet")
    #expect(entry.sections.map(\.name) == [".osrel", ".cmdline", ".linux", ".initrd"])
    #expect(entry.sections.map(\.size).suffix(2) == [6, 6])
    #expect(entry.triesLeft == 1)
    #expect(entry.triesDone == 2)
    #expect(entry.generation == 2)
    #expect(
      report.programs == [
        BootProgramReport(
          partition: 1, path: "/EFI/BOOT/BOOTX64.EFI", name: "systemd-boot 257.4", isFallback: true)
      ])
  }

  @Test func aStoreWithoutAnEntryForTheDiskDoesNotReplaceTheFallbackLoader() async throws {
    var disk = InspectDisk()
    let store = "/usr/share/OVMF/OVMF_VARS_4M.fd"
    #expect(try await disk.report(variables: store).warnings == [])
    disk.bootFiles["EFI/BOOT/BOOTX64.EFI"] = nil
    let report = try await disk.report(variables: store)
    #expect(report.warnings.map(\.kind) == [.noFallbackLoader])
    #expect(report.efiVariables != nil)
  }

  @Test("Tables are those that sfdisk reads", arguments: ["gpt", "dos"])
  func partitionsAreThoseThatSfdiskReads(label: String) async throws {
    struct Dump: Decodable {
      struct Table: Decodable { var partitions: [Partition] }
      struct Partition: Decodable {
        var start: UInt64
        var size: UInt64
        var type: String
        var uuid: String?
        var name: String?
        var bootable: Bool?
      }
      var partitiontable: Table
    }
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk.img")
      try HostFiles.makeSparseFile(disk, bytes: 64 << 20)
      let runner = SubprocessRunner()
      let rest =
        label == "gpt"
        ? "size=8M, type=S\nsize=8M, type=L, name=\"a name\"" : "type=E\nsize=8M\nsize=8M, type=S"
      let script = "label: \(label)\nsize=8M, type=U\n\(rest)\n"
      try await runner.run(Command("sfdisk", ["--quiet", disk.string], input: script))
      let json = try await runner.run("sfdisk", "--json", disk.string)
      let expected = try JSONDecoder().decode(Dump.self, from: Data(json.utf8)).partitiontable.partitions
      let report = try DiskFile.with(disk) { try DiskMap(of: $0).finished }
      #expect(report.faults == [])
      #expect(report.partitions.map(\.start) == expected.map { $0.start * 512 })
      #expect(report.partitions.map(\.size) == expected.map { $0.size * 512 })
      #expect(report.partitions.map { $0.type?.description } == expected.map { $0.type.lowercased() })
      #expect(report.partitions.map { $0.guid?.description } == expected.map { $0.uuid?.lowercased() })
      #expect(report.partitions.map(\.name) == expected.map { $0.name ?? "" })
      #expect(report.partitions.map(\.isActive) == expected.map { $0.bootable ?? false })
    }
  }

  @Test func theLogOfABuildIsReadAsFarAsItIsOne() async throws {
    try await withScratchDirectory { scratch in
      let logs = scratch.appending("log")
      try HostFiles.makeDirectory(logs)
      try HostFiles.write(
        Array(#"{"version": 1, "steps": [{"name": "closure", "seconds": 1.5}], "warnings": []}"#.utf8),
        to: logs.appending("build.json"))
      try HostFiles.write(
        [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], to: logs.appending("boot.png"))
      try HostFiles.write(Array("<svg/>".utf8), to: logs.appending("other.png"))
      let build = BuildStepsReport(of: scratch)
      #expect(build.steps == [.init(name: "closure", seconds: 1.5)])
      #expect(build.screenshots == [.init(file: "boot.png", png: "iVBORw0KGgo=")])
      #expect(BuildStepsReport(of: logs).steps == [])
    }
  }

  @Test("A store alone, and the root of another mount point, are read", arguments: ["", "nix/"])
  func generationsAreFoundWhereverTheStoreIs(prefix: String) async throws {
    var disk = InspectDisk()
    if prefix.isEmpty {
      disk.rootFiles = Dictionary(
        uniqueKeysWithValues: disk.rootFiles.map { (String($0.key.dropFirst("nix/".count)), $0.value) })
    }
    #expect(try await disk.report().generations.map(\.system) == [InspectDisk.older, InspectDisk.system])
  }

  /// What libblkid says of what the tools of each filesystem make.
  @Test(arguments: [
    ["mkfs.ext2", "-q", "-L", "name"], ["mkfs.ext3", "-q", "-L", "name"], ["mkfs.ext4", "-q", "-L", "name"],
    ["mkfs.ext4", "-q", "-b", "1024", "-O", "^has_journal"], ["mkfs.fat", "-n", "NAME"],
    ["mkfs.fat", "-F", "32"],
    ["mkfs.xfs", "-q", "-L", "name"], ["mkfs.btrfs", "-q", "-L", "name"], ["mkfs.f2fs", "-q", "-l", "name"],
    ["mkntfs", "-q", "-F", "-f"], ["mkswap", "-q", "-L", "name"],
  ])
  func identifiersAreThoseThatBlkidReads(command: [String]) async throws {
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk.img")
      try HostFiles.makeSparseFile(disk, bytes: 400 << 20)
      let runner = SubprocessRunner()
      try await runner.run(Command(command[0], Array(command.dropFirst()) + [disk.string]))
      let output = try await runner.run(Command("blkid", ["-p", "-o", "export", disk.string]))
      let expected = Dictionary(
        output.split(separator: "\n").map { line in
          let sides = line.split(separator: "=", maxSplits: 1).map(String.init)
          return (sides[0], sides.count > 1 ? sides[1] : "")
        }, uniquingKeysWith: { first, _ in first })
      let kind = expected["TYPE"].map { $0 == "vfat" ? "FAT" : $0 }
      let content = try DiskFile.with(disk) { try DiskMap(of: $0).finished.partitions[0].content }
      #expect(content.kind == kind)
      #expect(content.uuid == expected["UUID"])
      #expect(content.kind == "ntfs" || content.label == expected["LABEL"])
    }
  }

  @Test func anImageThatNamesAnotherFileIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let base = scratch.appending("base.img")
      try HostFiles.makeSparseFile(base, bytes: 1 << 20)
      let image = scratch.appending("image.qcow2").string
      try await SubprocessRunner().run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", base.string, "-F", "raw", image)
      let fault = await #expect(throws: Fault.self) { try await ImageInspection(image).run() }
      #expect(fault?.kind == .badInput)
    }
  }
}
