internal import ImageModel

extension PartitionTable {
  /// An MBR with the root alone.
  public static let legacy = PartitionTable("legacy")
  /// An MBR with a FAT partition for boot loaders that read no other, such as limine.
  public static let legacyBoot = PartitionTable("legacy+boot")
  /// A GPT with a place for GRUB's core image.
  public static let legacyGPT = PartitionTable("legacy+gpt")
}

extension Layout {
  static let legacy = Layout(table: .legacy, format: .mbr)
  static let legacyBoot = Layout(
    table: .legacyBoot, format: .mbr, bootStart: { _ in 1 << 20 },
    parts: {
      [Part(name: "BOOT", type: .fatCode, start: 1 << 20, end: $0.bootEnd, mountPoint: "/boot")]
    })
  static let legacyGPT = Layout(
    table: .legacyGPT, format: .gpt, allowsEFIVariables: true,
    parts: { _ in [Part(name: "no-fs", type: .biosBoot, start: 1 << 20, end: 2 << 20)] })
}
