internal import ImageModel

extension PartitionTable {
  /// A GPT with an ESP.
  public static let efi = PartitionTable("efi")
  /// A GPT with an ESP, and a place for GRUB's core image in front of it.
  public static let hybrid = PartitionTable("hybrid")
}

extension Layout {
  static let efi = Layout(
    table: .efi, format: .gpt, hasESP: true, allowsEFIVariables: true,
    parts: { [esp($0)] })
  static let hybrid = Layout(
    table: .hybrid, format: .gpt, hasESP: true, allowsEFIVariables: true,
    parts: { sizes in
      // Behind the table, where make-disk-image has it: protective MBR, header, and 16 KiB of entries.
      [
        esp(sizes),
        Part(name: "no-fs", type: .biosBoot, start: 2 * sizes.sector + 16384, end: 1 << 20),
      ]
    })
}
