internal import Basics
internal import EFIVariables

/// Each boot entry names a partition of the disk and a file that is there.
struct BootEntryCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    guard let variables = disk.variables else { return }
    let check = DiskCheck(of: variables, on: disk.boot)
    guard let first = check.problems.first else { return }
    throw Fault(
      .failed, "the system's bootloader left EFI variables that do not fit the disk: \(first)",
      remedy: "Nothing would start such an entry; see what installs the system's bootloader",
      evidence: Array(check.problems.dropFirst()))
  }
}
