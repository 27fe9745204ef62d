internal import ImageModel

extension PartitionTable {
  /// An MBR with the root alone.
  public static let legacy = PartitionTable("legacy")
  /// A GPT with a place for GRUB's core image.
  public static let legacyGPT = PartitionTable("legacy+gpt")
}

extension Layout {
  static let legacy = Layout(table: .legacy, format: .mbr)
  static let legacyGPT = Layout(
    table: .legacyGPT, format: .gpt, allowsEFIVariables: true,
    parts: { _ in [Part(name: "no-fs", type: .biosBoot, start: 1 << 20, end: 2 << 20)] })
}
