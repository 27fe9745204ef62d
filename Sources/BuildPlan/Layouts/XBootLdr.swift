internal import ImageModel

extension PartitionTable {
  /// A GPT with a small ESP, and an extended boot loader partition.
  public static let efixbootldr = PartitionTable("efixbootldr")
}

extension Layout {
  static let efixbootldr = Layout(
    table: .efixbootldr, format: .gpt, hasESP: true, allowsEFIVariables: true,
    bootStart: xbootldrStart,
    parts: { sizes in
      let start = xbootldrStart(sectorSize: sizes.sector)
      return [
        Part(name: "ESP", type: .efiSystem, start: espStart, end: start, mountPoint: "/efi"),
        Part(name: "BOOT", type: .extendedBoot, start: start, end: sizes.bootEnd, mountPoint: "/boot"),
      ]
    })

  /// Where its ESP ends: make-disk-image's 100 MiB, or the least that can be FAT32.
  @Sendable private static func xbootldrStart(sectorSize: UInt64) -> UInt64 {
    max(100 << 20, espStart + DiskGeometry.leastBoot(sectorSize: sectorSize))
  }
}
