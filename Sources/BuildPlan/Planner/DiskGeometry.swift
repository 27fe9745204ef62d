internal import ImageModel

/// Where the parts of make-disk-image's layouts lie, in bytes.
struct DiskGeometry {
  static let alignment: UInt64 = 1 << 20

  /// The least size of a boot partition. FAT32 needs 65,525 clusters: 40 MiB is the least that mkfs.fat makes of them
  /// with 512-byte clusters, and a cluster is no smaller than a sector.
  static func leastBoot(sectorSize: UInt64) -> UInt64 { sectorSize > 512 ? 260 << 20 : 40 << 20 }

  let table: TableFormat
  let sectorSize: UInt64
  /// In the order of their numbers; the root follows.
  let parts: [Layout.Part]
  /// Numbered behind the root, so that it keeps its number, but in front of it on the disk, where it is last and can
  /// grow.
  let further: [Layout.Part]
  /// Where the root begins.
  let rootStart: UInt64
  /// What a backup table takes behind the root: 33 sectors, and a whole MiB keeps the root's end aligned.
  let tail: UInt64

  init(_ spec: ResolvedSpec) {
    let layout = spec.layout
    let table = layout.format
    sectorSize = spec.sectorSize
    self.table = table
    parts = layout.parts(Layout.Sizes(bootEnd: spec.bootSize.bytes, sector: spec.sectorSize))
    var next = table == .none ? 0 : parts.map(\.end).reduce(Self.alignment, max)
    further = spec.further.map { entry in
      let start = next
      next += entry.size.bytes
      return Layout.Part(
        name: entry.name, type: entry.type ?? (table == .mbr ? .linuxCode : .linux), start: start, end: next,
        mountPoint: entry.mountPoint)
    }
    rootStart = next
    tail = table == .gpt ? 1 << 20 : 0
  }

  /// What is not the root's.
  var overhead: UInt64 { rootStart + tail }

  /// The disk without a root, in bytes.
  func sizeWithoutRoot(unit: UInt64) -> UInt64 { ByteSize(bytes: overhead).rounded(upTo: unit).bytes }

  /// What is left for the root on a disk of that size; nil when nothing is.
  func root(onDiskOf size: ByteSize) -> ByteSize? {
    let whole = size.bytes / Self.alignment * Self.alignment
    return whole > overhead ? ByteSize(bytes: whole - overhead) : nil
  }
}
