internal import AgentProtocol
internal import ImageModel

/// What the guest hands over where the host can make every filesystem of the disk by itself.
struct SealPlan {
  /// What the host writes: ext4 where it was poured or is small enough to be handed over whole, FAT, and the header of swap.
  static let kinds: Set<FilesystemKind> = [.ext4, .vfat, .swap]
  /// The header of swap is its first page (mkswap(8)).
  private static let swapHeader = ByteSize(bytes: 4096)
  /// Code of a first sector: the rest of it is the table (UEFI 2.10, table 5.1).
  private static let bootCode = ByteSize(bytes: 440)
  /// In front of an ext4 filesystem's superblock there is room for code.
  private static let bootBlock = ByteSize(bytes: 1024)

  let trees: [HandedTree]
  let regions: [DiskRegion]
  let disk: PlannedDisk
  var device: BlockDevice { .disk(serial: disk.serial) }

  /// Nil where the guest's own writes stay on the disk.
  init?(_ spec: ResolvedSpec, _ layout: DiskLayout, _ pour: PourPlan) {
    let filesystems = layout.partitions.compactMap(\.filesystem)
    guard !spec.onlyNixStore, spec.poursRoot || layout.root == nil,
      filesystems.allSatisfy({ Self.kinds.contains($0.kind) })
    else { return nil }
    trees = filesystems.compactMap(\.mountPoint).map { place in
      // Store objects have a time of their own.
      HandedTree(mountPoint: place, poured: place == "/" ? [1, pour.time].uniqued : [])
    }
    regions = Self.regions(of: layout)
    // An archive is about as large as what is in it.
    disk = PlannedDisk(
      role: .handover, serial: DiskSerial.handover,
      size: (layout.size + .mebibytes(64)).rounded(upTo: 1 << 20))
  }

  private static func regions(of layout: DiskLayout) -> [DiskRegion] {
    let target = BlockDevice.disk(serial: DiskSerial.target)
    func region(_ offset: ByteSize, _ length: ByteSize) -> DiskRegion {
      DiskRegion(device: target, offset: offset, length: length)
    }
    let sector = layout.sectorSize
    var regions: [DiskRegion] = []
    let entries = layout.gptEntrySectors
    switch layout.table {
    case .none: regions.append(region(ByteSize(bytes: 0), bootBlock))
    case .gpt where layout.hostWritesTable: regions.append(region(ByteSize(bytes: 0), bootCode))
    case .gpt:
      // An MBR, the header, the entries; and at the end both again.
      regions.append(region(ByteSize(bytes: 0), ByteSize(2 + entries, times: sector)))
      regions.append(
        region(
          ByteSize(layout.sectors - entries - 1, times: sector), ByteSize(entries + 1, times: sector)))
    case .mbr:
      // Loaders keep more of their code between the table and the first partition.
      let first = layout.partitions.map(\.start).min() ?? 1
      let code = layout.hostWritesTable ? bootCode : ByteSize(bytes: sector)
      regions.append(region(ByteSize(bytes: 0), code))
      if first > 1 { regions.append(region(ByteSize(bytes: sector), ByteSize(first - 1, times: sector))) }
    }
    for partition in layout.partitions {
      let device = partition.device(on: DiskSerial.target)
      if partition.type == .biosBoot {
        regions.append(
          DiskRegion(
            device: device, offset: ByteSize(bytes: 0), length: ByteSize(partition.sectors, times: sector)))
      } else if partition.filesystem?.kind == .swap {
        regions.append(DiskRegion(device: device, offset: ByteSize(bytes: 0), length: swapHeader))
      }
    }
    return regions
  }
}

extension DiskLayout {
  /// Whether the host can write the table: to sfdisk, a file is a disk with sectors of 512 bytes.
  package var hostWritesTable: Bool { sectorSize == 512 }

  /// Sectors with the 128 entries of a GPT, each of 128 bytes (UEFI 2.10, 5.3).
  fileprivate var gptEntrySectors: UInt64 { 128 * 128 / sectorSize }
}

extension [Int64] {
  fileprivate var uniqued: [Int64] { Set(self).sorted() }
}
