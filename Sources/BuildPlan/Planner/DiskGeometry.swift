internal import ImageModel

/// Where the parts of make-disk-image's layouts lie, in bytes.
struct DiskGeometry {
  /// A partition that lies in front of the root.
  struct Part {
    var name: String
    var type: PartitionType
    var start: UInt64
    var end: UInt64
    /// Where a system mounts it; nil for a part without a filesystem.
    var mountPoint: String?

    var size: ByteSize { ByteSize(bytes: end - start) }
  }

  static let espStart: UInt64 = 8 << 20
  static let alignment: UInt64 = 1 << 20

  /// The least size of a boot partition. FAT32 needs 65,525 clusters: 40 MiB is the least that mkfs.fat makes of them
  /// with 512-byte clusters, and a cluster is no smaller than a sector.
  static func leastBoot(sectorSize: UInt64) -> UInt64 { sectorSize > 512 ? 260 << 20 : 40 << 20 }

  /// Where the ESP of `efixbootldr` ends: make-disk-image's 100 MiB, or the least that can be FAT32.
  static func xbootldrStart(sectorSize: UInt64) -> UInt64 {
    max(100 << 20, espStart + leastBoot(sectorSize: sectorSize))
  }

  /// Where the boot partition that `bootSize` ends begins.
  static func bootStart(_ table: PartitionTable, sectorSize: UInt64) -> UInt64 {
    table == .efixbootldr ? xbootldrStart(sectorSize: sectorSize) : espStart
  }

  let table: TableFormat
  let sectorSize: UInt64
  /// In the order of their numbers; the root follows.
  let parts: [Part]
  /// Numbered behind the root, so that it keeps its number, but in front of it on the disk, where it is last and can
  /// grow.
  let further: [Part]
  /// Where the root begins.
  let rootStart: UInt64
  /// What a backup table takes behind the root: 33 sectors, and a whole MiB keeps the root's end aligned.
  let tail: UInt64

  init(_ spec: ResolvedSpec) {
    let layout = spec.table
    let bootSize = spec.bootSize
    let sector = spec.sectorSize
    let esp = Part(
      name: "ESP", type: .efiSystem, start: Self.espStart, end: bootSize.bytes, mountPoint: "/boot")
    switch layout {
    case .none:
      self.init(spec, .none, [], rootStart: 0)
    case .legacy:
      self.init(spec, .mbr, [], rootStart: 1 << 20)
    case .legacyGPT:
      let second = Part(name: "no-fs", type: .biosBoot, start: 1 << 20, end: 2 << 20)
      self.init(spec, .gpt, [second], rootStart: second.end)
    case .efi:
      self.init(spec, .gpt, [esp], rootStart: esp.end)
    case .efixbootldr:
      let small = Part(
        name: "ESP", type: .efiSystem, start: Self.espStart, end: Self.xbootldrStart(sectorSize: sector),
        mountPoint: "/efi")
      let boot = Part(
        name: "BOOT", type: .extendedBoot, start: small.end, end: bootSize.bytes,
        mountPoint: "/boot")
      self.init(spec, .gpt, [small, boot], rootStart: boot.end)
    case .hybrid:
      // Behind the table, where make-disk-image has it: protective MBR, header, and 16 KiB of entries.
      let second = Part(name: "no-fs", type: .biosBoot, start: 2 * sector + 16384, end: 1 << 20)
      self.init(spec, .gpt, [esp, second], rootStart: esp.end)
    }
  }

  /// Where the layout's FAT partitions are mounted.
  static func bootPlaces(_ layout: PartitionTable) -> [String] {
    switch layout {
    case .none, .legacy, .legacyGPT: []
    case .efi, .hybrid: ["/boot"]
    case .efixbootldr: ["/boot", "/efi"]
    }
  }

  private init(_ spec: ResolvedSpec, _ table: TableFormat, _ parts: [Part], rootStart: UInt64) {
    self.table = table
    sectorSize = spec.sectorSize
    self.parts = parts
    var next = rootStart
    further = spec.further.map { entry in
      let start = next
      next += entry.size.bytes
      return Part(
        name: entry.name, type: entry.type ?? (table == .mbr ? .linuxCode : .linux), start: start, end: next,
        mountPoint: entry.mountPoint)
    }
    self.rootStart = next
    tail = table == .gpt ? 1 << 20 : 0
  }

  /// What is not the root's.
  var overhead: UInt64 { rootStart + tail }

  /// What is left for the root on a disk of that size; nil when nothing is.
  func root(onDiskOf size: ByteSize) -> ByteSize? {
    let whole = size.bytes / Self.alignment * Self.alignment
    return whole > overhead ? ByteSize(bytes: whole - overhead) : nil
  }
}
