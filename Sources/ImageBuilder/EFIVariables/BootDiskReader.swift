internal import Command
package import EFIVariables
internal import Foundation
package import ImageModel
internal import Sfdisk
package import SystemPackage

/// Looks at a disk as a firmware does: its partitions, and the files of those that it can read.
///
/// The filesystems are read by mtools, in a process of its own: the host mounts nothing that a guest wrote.
package struct BootDiskReader: Sendable {
  private let runner = SubprocessRunner()

  package init() {}

  /// Reads the disk of an image in any format that is exported.
  ///
  /// - Throws: `BuildError`.
  package func read(image: String, format: ImageFormat?) async throws -> BootDisk {
    guard FileSystem.exists(FilePath(image)) else {
      throw BuildError(.badInput, "\(image) does not exist", remedy: "Check the path")
    }
    let format = try format ?? Self.format(of: image)
    return try await ScratchFolder.with("check") { scratch in
      let tools = ToolFolder(path: scratch)
      guard format != .raw else {
        try tools.link(FilePath(image), as: Self.disk)
        return try await read(rawIn: tools)
      }
      try tools.link(FilePath(image), as: "image")
      _ = try await commandErrors("read \(image) as \(format.rawValue)", .badInput) {
        if format.isPacked {
          try await DiskExport(runner: runner).unpack("image", format, to: Self.disk, in: tools)
        } else {
          try await runner.run(
            tools.command(
              "qemu-img", ["convert", "-f", format.qemuName, "-O", "raw", "image", Self.disk]))
        }
      }
      return try await read(rawIn: tools)
    }
  }

  /// The raw disk's name in the folder that tools run in.
  private static let disk = "disk.raw"

  private static func format(of image: String) throws -> ImageFormat {
    guard let known = ImageFormat.named(by: image) else {
      throw BuildError(
        .badInput, "the format of \(image) is not known by its name", remedy: "Name it with --format")
    }
    return known
  }

  private func read(rawIn tools: ToolFolder) async throws -> BootDisk {
    let disk = tools.path.appending(Self.disk)
    guard try !hasLargeSectors(disk) else {
      throw BuildError(
        .badInput, "the disk has sectors of 4096 bytes, and sfdisk reads files in sectors of 512",
        remedy: "A build checks such a disk by itself")
    }
    let json = try await commandErrors("read the disk's partition table", .badInput) {
      try await runner.run(Sfdisk.read(Self.disk, in: tools.path.string))
    }
    let table: SfdiskTable
    do {
      table = try SfdiskTable(json: json)
    } catch {
      throw BuildError(.badInput, "the disk's partition table cannot be read: \(error)")
    }
    let partitions = table.listed.compactMap { entry in
      let signature: DevicePathNode.HardDrive.Signature? =
        entry.guid.map { .gpt($0) } ?? table.diskSignature.map { .mbr($0) }
      return signature.map { signature in
        BootDisk.Partition(
          number: UInt32(truncatingIfNeeded: entry.number), start: entry.start, size: entry.size,
          signature: signature,
          isSystem: [PartitionType.efiSystem.description, "ef"].contains(entry.type))
      }
    }
    return try await withFiles(partitions, in: tools, sectorSize: table.sectorSize)
  }

  /// Whether a GPT header begins in the second sector of 4096 bytes (UEFI 2.10, table 5.5).
  private func hasLargeSectors(_ disk: FilePath) throws -> Bool {
    let file = try FileDescriptor.open(disk, .readOnly)
    return try file.closeAfter {
      var signature = [UInt8](repeating: 0, count: 8)
      let count = try signature.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 4096, into: $0) }
      return signature.prefix(count).elementsEqual("EFI PART".utf8)
    }
  }

  /// Reads a raw disk whose table is known.
  package func read(raw disk: FilePath, layout: DiskLayout) async throws -> BootDisk {
    let partitions = layout.partitions.compactMap { partition in
      partition.guid.map { guid in
        BootDisk.Partition(
          number: UInt32(truncatingIfNeeded: partition.number), start: partition.start,
          size: partition.sectors, signature: .gpt(guid), isSystem: partition.type == .efiSystem)
      }
    }
    return try await ScratchFolder.with("check") { scratch in
      let tools = ToolFolder(path: scratch)
      try tools.link(disk, as: Self.disk)
      return try await withFiles(partitions, in: tools, sectorSize: layout.sectorSize)
    }
  }

  private func withFiles(
    _ partitions: [BootDisk.Partition], in tools: ToolFolder, sectorSize: UInt64
  ) async throws -> BootDisk {
    var found = BootDisk(partitions: partitions, sectorSize: sectorSize)
    for index in found.partitions.indices {
      let offset = found.partitions[index].start * sectorSize
      found.partitions[index].files = try await files(in: tools, at: offset)
    }
    return found
  }

  /// The files of a FAT filesystem; nil when there is none.
  private func files(in tools: ToolFolder, at offset: UInt64) async throws -> Set<String>? {
    let listing = tools.command(
      "mdir", ["-/", "-a", "-b", "-i", "\(Self.disk)@@\(offset)", "::"],
      environment: ["LC_ALL": "C.UTF-8", "MTOOLSRC": "/dev/null"])
    do {
      let lines = try await runner.run(listing).split(separator: "\n").filter { !$0.hasSuffix("/") }
      return Set(lines.map { $0.dropFirst(2).split(separator: "/").map { #"\"# + $0 }.joined() })
    } catch let failure as CommandFailure {
      guard case .notStarted = failure.reason else { return nil }
      throw BuildError(
        .hostNotAble, "mdir cannot be run, which reads the files of an EFI system partition",
        remedy: "Install mtools (Debian: apt install mtools)", details: failure.evidence)
    }
  }

  private func commandErrors<Result>(
    _ attempt: String, _ kind: BuildError.Kind, _ body: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await body()
    } catch let failure as CommandFailure {
      throw BuildError(kind, "could not \(attempt): \(failure.summary)", details: failure.evidence)
    }
  }
}
