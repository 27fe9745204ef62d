internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel
internal import Sfdisk

extension StepContext {
  /// Writes the table with sfdisk. That the kernel has the extents of the plan is checked here; names, types and identifiers
  /// by the host, on the disk that the build ends with.
  func partitionDisk(_ disk: BlockDevice, _ layout: DiskLayout) async throws {
    let disk = try await onThread { try devices.device(disk) }
    // Nothing is wiped: the host may have written filesystems to their places on the disk already. The kernel
    // is told by us: sfdisk sleeps 250 ms before it does, and only warns when it fails.
    try await run(Sfdisk.write(layout, to: disk.node))
    try await onThread { try layout.adopt(on: disk) }
  }

  /// Takes the table that is on the disk.
  func adoptDisk(_ disk: BlockDevice, _ layout: DiskLayout) async throws {
    try await onThread { try layout.adopt(on: devices.device(disk)) }
  }
}

extension DiskLayout {
  /// Checks that the kernel has taken the table over, and makes the links that udev would make.
  fileprivate func adopt(on disk: Device) throws {
    try disk.rereadTable()
    let unit = sectorSize / 512
    for partition in partitions {
      let device = try disk.partition(partition.number)
      guard try device.extent() == (partition.start * unit, partition.sectors * unit) else {
        throw StepFailure(
          message: "the kernel still has another extent for \(device.node) than the table says")
      }
      try device.linkByPartition(
        identifier: identifier(of: partition), name: table == .gpt ? partition.name : "")
    }
  }

  /// What blkid calls `PARTUUID`: the GUID, or the signature and the number of an MBR's partition.
  private func identifier(of partition: Partition) -> String {
    if let guid = partition.guid { return guid.description }
    let number = String(partition.number, radix: 16)
    return "\(guid.description.prefix(8))-\(number.count < 2 ? "0" : "")\(number)"
  }
}
