internal import ImageModel

/// The keys about the disk beside make-disk-image's.
extension ResolvedSpec {
  static func mkfsOptions(_ spec: ImageSpec) throws(SpecError) -> [String] {
    let options = spec.mkfsOptions ?? []
    guard spec.onlyNixStore != true || options.isEmpty else {
      throw SpecError(
        "mkfsOptions", "an image of a Nix store only is made without a VM, and without these",
        remedy: "Leave it out, or onlyNixStore")
    }
    do {
      _ = try MkfsWords(options, for: spec.fsType ?? .ext4)
    } catch {
      throw SpecError("mkfsOptions", error)
    }
    return options
  }

  /// - Parameter installsBIOS: whether a bootloader for a BIOS is installed.
  static func sectorSize(_ spec: ImageSpec, installsBIOS: Bool) throws(SpecError) -> UInt64 {
    let size = spec.sectorSize ?? 512
    guard size == 512 || size == 4096 else {
      throw SpecError(
        "sectorSize", "there are no disks with sectors of \(size) bytes", remedy: "Use 512 or 4096")
    }
    guard size > 512 else { return size }
    guard spec.onlyNixStore != true else {
      throw SpecError(
        "sectorSize", "the partition table of a Nix store only is written without a VM, for 512-byte sectors",
        remedy: "Leave it out, or onlyNixStore")
    }
    guard !installsBIOS else {
      throw SpecError(
        "sectorSize", "a BIOS boots from no disk with sectors of \(size) bytes",
        remedy: "Use 512, a partition table with an ESP, or set installBootLoader to false")
    }
    return size
  }

  /// The table's layout, with its ESP where the spec has it mounted.
  static func layout(_ spec: ImageSpec, _ table: PartitionTable) throws(SpecError) -> Layout {
    guard let place = spec.espMountPoint else { return table.layout }
    guard table.layout.hasESP, spec.onlyNixStore != true else {
      throw SpecError(
        "espMountPoint", "this image has no EFI system partition that is mounted",
        remedy: "Leave it out, or use the partition table \(PartitionTable.choice(\.hasESP))")
    }
    let first = place.split(separator: "/").first
    guard isAbsolute(place), let first, !["nix", "proc", "sys", "dev", "run", "tmp"].contains(first) else {
      throw SpecError(
        "espMountPoint", "'\(place)' cannot be where the EFI system partition is mounted",
        remedy: "Write boot.loader.efi.efiSysMountPoint, as \"/boot/efi\"")
    }
    let layout = table.layout.mountingESP(at: "/" + place.split(separator: "/").joined(separator: "/"))
    guard Set(layout.bootPlaces).count == layout.bootPlaces.count else {
      throw SpecError(
        "espMountPoint", "the extended boot loader partition is mounted on '\(place)'",
        remedy: "Use another place, such as \"/efi\"")
    }
    return layout
  }

  /// Swap, then the partitions of the spec.
  static func further(
    _ spec: ImageSpec, _ table: PartitionTable, _ layout: Layout
  ) throws(SpecError) -> [PartitionEntry] {
    let entries = spec.partitions ?? []
    let keys = [("swapSize", spec.swapSize != nil), ("partitions", !entries.isEmpty)]
    for (key, isGiven) in keys where isGiven {
      guard spec.onlyNixStore != true else {
        throw SpecError(
          key, "an image of a Nix store only has nothing else", remedy: "Leave it out, or onlyNixStore")
      }
      guard table != .none else {
        throw SpecError(
          key, "a disk without a partition table has no further partitions",
          remedy: "Leave it out, or choose another partitionTableType than \"none\"")
      }
    }
    try PartitionEntry.check(entries, in: table, bootPlaces: layout.bootPlaces)
    var further = entries
    if let size = spec.swapSize { further.insert(try swap(size, in: table), at: 0) }
    let limit = layout.furtherLimit
    guard further.count <= limit else {
      throw SpecError(
        "partitions",
        "with swap, the table has room for \(limit) beside its own, and these are \(further.count)",
        remedy: layout.format == .mbr ? "Leave some out, or use \"legacy+gpt\"" : "Leave some out")
    }
    return further
  }

  private static func swap(_ size: ByteSize, in table: PartitionTable) throws(SpecError) -> PartitionEntry {
    guard size.bytes > 0, size.bytes % DiskGeometry.alignment == 0, size.bytes <= 1 << 42 else {
      throw SpecError(
        "swapSize", "\(size.bytes) bytes cannot be the size of swap",
        remedy: "Use whole MiB, and 4 TiB at most; without swap leave it out")
    }
    return PartitionEntry(
      name: "swap", size: size, fsType: .swap, label: "swap",
      type: table.layout.format == .mbr ? .swapCode : .swap)
  }

  /// Where other filesystems than the root are mounted while the system is installed.
  static func mounts(_ layout: Layout, _ further: [PartitionEntry]) -> [MountedPlace] {
    layout.bootPlaces.map { MountedPlace($0, .vfat) }
      + further.compactMap { entry in entry.mountPoint.map { MountedPlace($0, entry.fsType) } }
  }

  /// Whether contents go to where another partition is mounted, or may: what is poured into the root would be hidden
  /// there.
  static func reach(_ contents: [PlannedContent], into mounts: [MountedPlace]) -> Bool {
    contents.contains { content in
      mounts.contains { place in
        zip(content.entry.components, place.components).allSatisfy { $0 == $1 }
      }
    }
  }
}
