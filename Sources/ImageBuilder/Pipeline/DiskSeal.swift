internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import Command
internal import Ext4
internal import FAT
internal import ImageModel
internal import SystemPackage

/// Makes a disk's final bytes from what the guest handed over: the poured root is finished, every other filesystem is
/// written anew, and so are the table and the boot areas. No block is where the guest's kernel put it.
struct DiskSeal {
  let plan: BuildPlan
  let layout: DiskLayout
  /// As it was when the guest started.
  let disk: FilePath
  let archive: HandoverArchive
  /// What the archive has, by the rules.
  let sealed: SealedTrees
  let runner: any CommandRunner

  /// - Throws: `Fault`, `CancellationError`.
  func run(_ trees: [HandedTree], _ regions: [DiskRegion]) async throws {
    for (number, tree) in trees.enumerated() {
      guard let partition = layout.partitions.first(where: { $0.filesystem?.mountPoint == tree.mountPoint }),
        let filesystem = partition.filesystem
      else { throw Fault(.failed, "the plan has no filesystem for \(tree.mountPoint)") }
      if !tree.poured.isEmpty {
        _ = try await Ext4.replaceTree(in: disk, Ext4Options(plan.pour)) { [sealed] in
          try sealed.nodes(ofTree: number)
        }
      } else if filesystem.kind == .vfat {
        try await writeFAT(partition, filesystem, nodes: number)
      } else {
        _ = try await Ext4.pour(
          sealed.nodes(ofTree: number), to: disk,
          Ext4Options(partition, filesystem, layout, time: plan.pour.time))
      }
    }
    if layout.hostWritesTable { try await PartitionTableWriter(runner: runner).write(layout, to: disk) }
    for (number, region) in regions.enumerated() { try await copy(region, number) }
  }

  private func writeFAT(_ partition: Partition, _ filesystem: Filesystem, nodes number: Int) async throws {
    try await onThread {
      var nodes = try sealed.nodes(ofTree: number)
      var files: [FATNode] = []
      while let node = try nodes.next() {
        if node.path != .root { files.append(try FATNode(node)) }
      }
      let volume = FATVolume(
        sectorSize: layout.sectorSize, start: partition.start, sectors: partition.sectors,
        // As mkfs.fat was given it: the first four bytes of the UUID.
        identifier: UInt32(truncatingIfNeeded: filesystem.uuid?.bytes.bigEndian(at: 0, 4) ?? 0),
        label: filesystem.label, time: plan.pour.time)
      let file = try FileDescriptor.open(disk, .readWrite, options: .closeOnExec)
      try file.closeAfter { try FAT.write(files, volume, to: file, at: partition.start * layout.sectorSize) }
    }
  }

  private func copy(_ region: DiskRegion, _ number: Int) async throws {
    var offset = region.offset.bytes
    if case .partition(_, let number) = region.device,
      let partition = layout.partitions.first(where: { $0.number == number })
    {
      offset += partition.start * layout.sectorSize
    }
    try await FileRange.copy(archive.region(number), of: archive.file, to: disk, at: offset)
  }
}

extension FATNode {
  /// A node that was handed over; FAT has nothing of it but its place, its bytes and its time.
  ///
  /// - Throws: `Fault` for what FAT has not.
  init(_ node: Node) throws(Fault) {
    let path = String(validating: node.path.bytes, as: UTF8.self)
    let time = node.attributes.modified.seconds
    switch (path, node.kind) {
    case (let path?, .directory): self.init(path: path, kind: .directory, time: time)
    case (let path?, .file(.parts(let parts))):
      guard parts.pieces.count <= 1,
        parts.pieces.first.map({ $0.position == 0 && $0.length == parts.size }) ?? (parts.size == 0)
      else { fallthrough }
      self.init(
        path: path,
        kind: .file(.part(of: parts.path, offset: parts.pieces.first?.offset ?? 0, size: parts.size)),
        time: time)
    default: throw Fault(.failed, "'\(node.path)' cannot be on a FAT filesystem")
    }
  }
}

extension Ext4Options {
  /// Those of a pour. Without a UUID there is none to pour.
  init(_ plan: PourPlan) throws(Fault) {
    guard let uuid = plan.filesystem.uuid else {
      throw Fault(.failed, "the plan gives the filesystem that is poured no UUID")
    }
    self.init(
      size: plan.size, offset: plan.offset, uuid: uuid, hashSeed: plan.hashSeed, label: plan.filesystem.label,
      time: UInt32(clamping: plan.time), inodes: plan.filesystem.inodes)
  }

  /// Those of a further partition.
  fileprivate init(
    _ partition: Partition, _ filesystem: Filesystem, _ layout: DiskLayout, time: Int64
  ) throws(Fault) {
    guard let uuid = filesystem.uuid else {
      throw Fault(.failed, "the plan gives the filesystem of partition \(partition.number) no UUID")
    }
    self.init(
      size: ByteSize(bytes: partition.sectors * layout.sectorSize),
      offset: ByteSize(bytes: partition.start * layout.sectorSize), uuid: uuid, hashSeed: uuid,
      label: filesystem.label, time: UInt32(clamping: time), inodes: filesystem.inodes)
  }
}
