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
        try tools.link(file, as: FATReader.disk)
        return try await withFiles(table(in: tools), in: tools)
      }
      try tools.link(file, as: "image")
      let command = HostCommand(
        attempt: "read \(image) as \(format.rawValue)", place: scratch, package: "qemu-utils", kind: .badInput
      )
      try await command.run {
        if format.isPacked {
          try await DiskExport(runner: runner).unpack("image", format, to: FATReader.disk, in: tools)
        } else {
          try await runner.run(
            tools.command(
              "qemu-img", ["convert", "-f", format.qemuName, "-O", "raw", "image", FATReader.disk]))
        }
      }
      return try await withFiles(table(in: tools), in: tools)
    }
  }

  private func table(in tools: ToolFolder) throws -> DiskTable {
    let table = try DiskFile.with(tools.path.appending(FATReader.disk)) {
      try DiskTable(of: $0, sectorSize: nil)
    }
    guard table.format != .none, table.format != .gpt || table.guid != nil else {
      throw Fault(
        blame, "the disk has no partition table that can be read",
        remedy: "Check that it is a whole disk, and its --format", evidence: table.faults)
    }
    return table
  }

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
      try tools.link(disk, as: FATReader.disk)
      return try await withFiles(table, in: tools)
    }
  }

  private func withFiles(_ table: DiskTable, in tools: ToolFolder) async throws -> BootDisk {
    var found = BootDisk(partitions: table.bootPartitions, sectorSize: table.sectorSize)
    for index in found.partitions.indices {
      let (start, isTooLarge) = found.partitions[index].start.multipliedReportingOverflow(
        by: table.sectorSize)
      guard !isTooLarge else { continue }
      let disk = tools.path.appending(FATReader.disk)
      guard try DiskFile.with(disk, { try FATBootSector.isAt(start, on: $0) }) else { continue }
      let paths = try await FATReader(tools: tools, blame: blame).paths(
        at: start, of: "partition \(found.partitions[index].number)")
      found.partitions[index].files = Set(
        paths.filter { !$0.hasSuffix("/") }.map { $0.split(separator: "/").map { #"\"# + $0 }.joined() })
    }
    return found
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
