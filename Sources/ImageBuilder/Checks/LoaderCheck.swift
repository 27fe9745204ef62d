internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import ImageModel

/// A disk whose bootloader was installed is one that some firmware starts.
///
/// A disk without a table is let be: its loader is outside of it, as with hosts that read the system's menu by a loader
/// of their own, and there is none that could be looked for.
struct LoaderCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    let layout = disk.layout
    guard disk.hasBootLoader, layout.table != .none else { return }
    let hasESP = layout.partitions.contains { $0.type == .efiSystem }
    let isForBIOS = layout.table == .mbr || layout.partitions.contains { $0.type == .biosBoot }
    guard hasESP || isForBIOS else { return }
    if hasESP, isStartedByEFI(disk) { return }
    let problem =
      isForBIOS ? try DiskFile.with(disk.path) { try BIOSLoader.problem(on: $0, disk.table) } : nil
    if isForBIOS, problem == nil { return }
    let ended = "the bootloader's installation ended well, and nothing would boot: "
    let withoutESP =
      "the EFI system partition has no \(Architecture.current.fallbackLoader), and no boot entry starts another file"
    guard hasESP else {
      throw Fault(
        .failed, ended + (problem ?? ""),
        remedy: "Have the system install a loader for BIOS onto its disk (boot.loader.grub.device), or set "
          + "installBootLoader to false for a disk that something else starts")
    }
    throw Fault(
      .failed, ended + withoutESP,
      remedy: "Let it write an entry (touchEFIVars), or have the system install a loader that needs none "
        + "(boot.loader.grub.efiInstallAsRemovable)",
      evidence: problem.map { ["by BIOS: \($0)"] } ?? [])
  }

  private func isStartedByEFI(_ disk: SealedDisk) -> Bool {
    if disk.boot.hasFallbackLoader { return true }
    guard let variables = disk.variables else { return false }
    return !DiskCheck(of: variables, on: disk.boot).started.isEmpty
  }
}
