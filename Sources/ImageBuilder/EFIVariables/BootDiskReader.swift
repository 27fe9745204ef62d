package import Basics
internal import Command
package import EFIVariables
internal import Foundation
package import ImageModel
internal import SystemPackage

/// Looks at a disk as a firmware does: its partitions, and the files of those that it can read.
///
/// The filesystems are read by mtools, in a process of its own: the host mounts nothing that a guest wrote.
package struct BootDiskReader: Sendable {
  private let runner = SubprocessRunner()
  /// Whose turn it is when the disk cannot be read.
  private let blame: Fault.Kind

  package init(blame: Fault.Kind = .badInput) {
    self.blame = blame
  }

  /// Reads the disk of an image in any format that is exported.
  ///
  /// - Throws: `Fault`.
  package func read(image: String, format: ImageFormat?) async throws -> BootDisk {
    let file = try RegularFile.check(FilePath(image))
    let format = try format ?? Self.format(of: image)
    try SelfContainedImage.check(file, format)
    return try await ScratchFolder.with("check") { scratch in
      let tools = ToolFolder(path: scratch)
      guard format != .raw else {
        try tools.link(file, as: Self.disk)
        return try await withFiles(table(in: tools), in: tools)
      }
      try tools.link(file, as: "image")
      let command = HostCommand(
        attempt: "read \(image) as \(format.rawValue)", place: scratch, package: "qemu-utils", kind: .badInput
      )
      try await command.run {
        if format.isPacked {
          try await DiskExport(runner: runner).unpack("image", format, to: Self.disk, in: tools)
        } else {
          try await runner.run(
            tools.command(
              "qemu-img", ["convert", "-f", format.qemuName, "-O", "raw", "image", Self.disk]))
        }
      }
      return try await withFiles(table(in: tools), in: tools)
    }
  }

  private func table(in tools: ToolFolder) throws -> DiskTable {
    let table = try DiskFile.with(tools.path.appending(Self.disk)) { try DiskTable(of: $0, sectorSize: nil) }
    guard table.format != .none, table.format != .gpt || table.guid != nil else {
      throw Fault(
        blame, "the disk has no partition table that can be read",
        remedy: "Check that it is a whole disk, and its --format", evidence: table.faults)
    }
    return table
  }

  /// The raw disk's name in the folder that tools run in.
  private static let disk = "disk.raw"

  private static func format(of image: String) throws -> ImageFormat {
    guard let known = ImageFormat.named(by: image) else {
      throw Fault(
        .badInput, "the format of \(image) is not known by its name", remedy: "Name it with --format")
    }
    return known
  }

  /// Reads a raw disk whose table is known.
  func read(raw disk: FilePath, _ table: DiskTable) async throws -> BootDisk {
    try await ScratchFolder.with("check") { scratch in
      let tools = ToolFolder(path: scratch)
      try tools.link(disk, as: Self.disk)
      return try await withFiles(table, in: tools)
    }
  }

  private func withFiles(_ table: DiskTable, in tools: ToolFolder) async throws -> BootDisk {
    var found = BootDisk(partitions: table.bootPartitions, sectorSize: table.sectorSize)
    for index in found.partitions.indices {
      let (start, isTooLarge) = found.partitions[index].start.multipliedReportingOverflow(
        by: table.sectorSize)
      guard !isTooLarge else { continue }
      let disk = tools.path.appending(Self.disk)
      guard try DiskFile.with(disk, { try FATBootSector.isAt(start, on: $0) }) else { continue }
      found.partitions[index].files = try await files(
        in: tools, at: start, of: "partition \(found.partitions[index].number)")
    }
    return found
  }

  /// The files of a FAT filesystem.
  private func files(in tools: ToolFolder, at offset: UInt64, of partition: String) async throws -> Set<
    String
  > {
    let listing = tools.command(
      "mdir", ["-/", "-a", "-b", "-i", "\(Self.disk)@@\(offset)", "::"],
      environment: ["LC_ALL": "C.UTF-8", "MTOOLSRC": "/dev/null"])
    do {
      let lines = try await runner.run(listing).split(separator: "\n").filter { !$0.hasSuffix("/") }
      return Set(lines.map { $0.dropFirst(2).split(separator: "/").map { #"\"# + $0 }.joined() })
    } catch let failure as CommandFailure {
      // What mdir says of an empty filesystem.
      if failure.tail.contains(where: { $0.hasSuffix(#"File "::" not found"#) }) { return [] }
      guard case .notStarted = failure.reason else {
        throw Fault(
          blame, "the FAT filesystem of \(partition) cannot be read: \(failure.summary)",
          remedy: "It is damaged: check it with fsck.fat", evidence: failure.evidence)
      }
      throw Fault(
        .hostNotAble, "mdir cannot be run, which reads the files of an EFI system partition",
        remedy: "Install mtools (Debian: apt install mtools)", evidence: failure.evidence)
    }
  }
}

extension DiskTable {
  /// The partitions as boot entries name them.
  var bootPartitions: [BootDisk.Partition] {
    entries.compactMap { entry in
      let signature: DevicePathNode.HardDrive.Signature? =
        entry.guid.map { .gpt($0) } ?? signature.map { .mbr($0) }
      return signature.map { signature in
        BootDisk.Partition(
          number: UInt32(truncatingIfNeeded: entry.number), start: entry.start, size: entry.sectors,
          signature: signature, isSystem: [.efiSystem, .code(0xef)].contains(entry.type))
      }
    }
  }
}

/// The first sector of a FAT filesystem.
private enum FATBootSector {
  /// Whether there is one, by the fields that no other filesystem fills in this way ("FAT: General Overview of On-Disk
  /// Format" 1.03, Microsoft). NTFS and exFAT have no tables of FAT's kind.
  static func isAt(_ offset: UInt64, on disk: DiskFile) throws(Errno) -> Bool {
    let sector = try disk.bytes(512, at: offset)
    guard sector.littleEndian(at: 510, 2) == 0xaa55 else { return false }
    let (bytes, sectors) = (sector.littleEndian(at: 11, 2), sector.littleEndian(at: 13, 1))
    return [512, 1024, 2048, 4096].contains(bytes) && sectors.nonzeroBitCount == 1
      && sector.littleEndian(at: 14, 2) > 0 && (1...2).contains(sector.littleEndian(at: 16, 1))
      && sector.littleEndian(at: 21, 1) >= 0xf0
  }
}
