/// The layouts of make-disk-image's `partitionTableType`.
public enum PartitionTable: String, Codable, Sendable, CaseIterable {
  case none, legacy, efi, efixbootldr, hybrid
  case legacyGPT = "legacy+gpt"
}
