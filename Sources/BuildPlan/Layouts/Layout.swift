internal import ImageModel

/// All that Slipway knows of one layout of a disk.
struct Layout: Sendable {
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

  /// What the parts of a disk follow from.
  struct Sizes {
    /// Where the boot partition ends: `bootSize`, in bytes.
    var bootEnd: UInt64
    /// In bytes.
    var sector: UInt64
  }

  var table: PartitionTable
  var format: TableFormat
  /// Whether firmware starts a loader from an EFI system partition.
  var hasESP = false
  /// Whether a system with an ESP of its own, on another disk, may use it with EFI.
  var allowsEFIVariables = false
  /// Where the boot partition that `bootSize` ends begins, for the size of a sector.
  var bootStart: @Sendable (UInt64) -> UInt64 = { _ in Layout.espStart }
  /// The partitions in front of the root, in the order of their numbers.
  var parts: @Sendable (Sizes) -> [Part] = { _ in [] }

  /// Every layout, in the order of the help.
  static let all: [Layout] = [.none, legacy, efi, efixbootldr, hybrid, legacyGPT, legacyBoot]

  private static let byTable = Dictionary(uniqueKeysWithValues: all.map { ($0.table, $0) })

  /// A table can only be made from the list.
  static func of(_ table: PartitionTable) -> Layout { byTable[table] ?? .none }

  /// Where an ESP begins, as in make-disk-image.
  static let espStart: UInt64 = 8 << 20

  /// Whether a bootloader has a partition of its own.
  var hasBootPlace: Bool { !bootPlaces.isEmpty }

  /// How many partitions a spec may add. An MBR has four entries, one of them the root's; a GPT has 128, of which a layout takes at most three.
  var furtherLimit: Int { format == .mbr ? 3 - bootPlaces.count : 125 }

  /// Where its FAT partitions are mounted, which depends on no size.
  var bootPlaces: [String] { parts(Sizes(bootEnd: 0, sector: 512)).compactMap(\.mountPoint) }

  /// This layout with its ESP mounted elsewhere.
  func mountingESP(at place: String) -> Layout {
    var layout = self
    layout.parts = { [parts] sizes in
      parts(sizes).map { part in
        var part = part
        if part.type == .efiSystem { part.mountPoint = place }
        return part
      }
    }
    return layout
  }

  /// The ESP of a layout with `/boot` on it.
  static func esp(_ sizes: Sizes) -> Part {
    Part(name: "ESP", type: .efiSystem, start: espStart, end: sizes.bootEnd, mountPoint: "/boot")
  }
}
