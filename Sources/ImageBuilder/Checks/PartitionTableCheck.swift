internal import Basics
internal import BuildPlan

/// The partition table is the plan's, in both of its copies: a bootloader or a script may have written over it.
struct PartitionTableCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    let differences = disk.table.differences(from: disk.layout)
    guard let first = differences.first else { return }
    throw Fault(
      .failed, "the disk's partition table is not the plan's: \(first)",
      remedy: "See what the system's bootloader and postInstall write to the disk",
      evidence: Array(differences.dropFirst()))
  }
}
