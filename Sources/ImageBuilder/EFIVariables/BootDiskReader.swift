package import Basics
package import EFIVariables
internal import Foundation
package import ImageModel
internal import ImageReading
internal import SystemPackage

/// Looks at a disk as a firmware does: its partitions, and the files of those that it can read.
///
/// The filesystems are read by mtools, in a process of its own: the host mounts nothing that a guest wrote.
package struct BootDiskReader: Sendable {
  /// Whose turn it is when the disk cannot be read.
  private let blame: Fault.Kind

  package init(blame: Fault.Kind = .badInput) {
    self.blame = blame
  }

  /// Reads the disk of an image in any format that is exported.
  ///
  /// - Throws: `Fault`.
  package func read(image: String, format: ImageFormat?) async throws -> BootDisk {
    let file = FilePath(image)
    _ = try RegularFile.check(file)
    let format = try format ?? Self.format(of: image)
    return try await ScratchFolder.with("check") { scratch in
      let tools = ToolFolder(path: scratch)
      try await RawDisk.make(of: file, format, as: FATReader.disk, in: tools)
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
      guard try DiskFile.with(disk, { try FATFilesystem.isAt($0.part(start..<max(start, $0.size))) }) else {
        continue
      }
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
