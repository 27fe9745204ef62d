internal import Basics
internal import BuildPlan
internal import CLinux
internal import FAT
internal import Glibc
internal import ImageModel
internal import SystemPackage

/// Writes the FAT filesystems of a disk anew, so that their bytes depend on their files alone: a guest's kernel leaves the
/// order and the times of its writes in them.
struct BootPartitionSeal {
  let layout: DiskLayout
  let disk: FilePath
  /// The time of every file, in seconds since 1970.
  let time: Int64

  /// - Throws: `Fault`, `CancellationError`.
  func run() async throws {
    for partition in layout.partitions where partition.filesystem?.kind == .vfat {
      try await ScratchFolder.with("seal", mode: 0o700) { scratch in
        let nodes = try await nodes(of: partition, in: ToolFolder(path: scratch))
        try await onThread { try write(nodes, to: partition) }
      }
    }
  }

  private func nodes(of partition: Partition, in tools: ToolFolder) async throws -> [FATNode] {
    try tools.link(disk, as: FATReader.disk)
    let reader = FATReader(tools: tools, blame: .failed)
    let (offset, name) = (partition.start * layout.sectorSize, "partition \(partition.number)")
    var nodes: [FATNode] = []
    for (index, path) in try await reader.paths(at: offset, of: name).enumerated() {
      guard !path.hasSuffix("/") else {
        nodes.append(FATNode(path: String(path.dropLast()), kind: .directory, time: time))
        continue
      }
      let copy = "file-\(index)"
      try await reader.copy(path, at: offset, of: name, to: copy)
      let place = tools.path.appending(copy)
      let size = try HostFiles.size(of: place)
      nodes.append(FATNode(path: path, kind: .file(.part(of: place, offset: 0, size: size)), time: time))
    }
    return nodes
  }

  private func write(_ nodes: [FATNode], to partition: Partition) throws {
    let (start, size) = (partition.start * layout.sectorSize, partition.sectors * layout.sectorSize)
    let file = try FileDescriptor.open(disk, .readWrite, options: .closeOnExec)
    try file.closeAfter {
      guard slipway_punch_hole(file.rawValue, off_t(start), off_t(size)) == 0 else {
        throw Fault(PathFailure("clear a partition of", disk, Errno(rawValue: errno)))
      }
      try FAT.write(
        nodes,
        FATVolume(
          sectorSize: layout.sectorSize, start: partition.start, sectors: partition.sectors,
          identifier: identifier(of: partition), label: partition.filesystem?.label ?? "", time: time),
        to: file, at: start)
    }
  }

  /// As mkfs.fat was given it: the first four bytes of the UUID.
  private func identifier(of partition: Partition) -> UInt32 {
    UInt32(truncatingIfNeeded: partition.filesystem?.uuid?.bytes.bigEndian(at: 0, 4) ?? 0)
  }
}
