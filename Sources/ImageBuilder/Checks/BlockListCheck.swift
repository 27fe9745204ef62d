internal import Basics
internal import BuildPlan
internal import ImageModel

/// A loader that finds its parts by the numbers of their sectors has none of them in a filesystem of a sealed disk: files
/// have other sectors there than they had when the loader was installed.
struct BlockListCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    guard disk.plan.handover != nil, disk.hasBootLoader, disk.layout.sectorSize == 512 else { return }
    let sectors = try DiskFile.with(disk.path) { try BIOSLoader.sectorsOfGRUB(on: $0) }
    guard let found = Self.firstInFilesystem(of: disk.layout, sectors) else { return }
    throw Fault(
      .failed, "the disk would not boot by BIOS",
      cause:
        "GRUB finds its core image by the numbers of its sectors, and sector \(found.sector) is in the filesystem "
        + "of \(found.filesystem.mountPoint ?? "a partition"), which is written anew",
      remedy:
        "Give it a place outside of every filesystem: a table with a BIOS boot partition (legacy+gpt, hybrid) "
        + "or with room in front of the first partition (legacy), without boot.loader.grub.forceInstall")
  }

  /// The first of the sectors that lies in a filesystem, and that filesystem.
  static func firstInFilesystem(
    of layout: DiskLayout, _ sectors: [(start: UInt64, count: UInt64)]
  ) -> (sector: UInt64, filesystem: Filesystem)? {
    for (start, count) in sectors {
      let (end, isTooLarge) = start.addingReportingOverflow(count)
      for partition in layout.partitions {
        guard let filesystem = partition.filesystem else { continue }
        let range = partition.start..<partition.start + partition.sectors
        if range.overlaps(start..<(isTooLarge ? .max : end)) { return (start, filesystem) }
      }
    }
    return nil
  }
}
