internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// A disk that nothing is written to any more, and what it was to become. The checks look at the disk: what a guest says
/// of it, and what the plan wants of it, prove nothing.
struct SealedDisk {
  let plan: BuildPlan
  /// What the plan wants of it.
  let layout: DiskLayout
  let path: FilePath
  /// The partition table that is on it.
  let table: DiskTable
  /// The partitions of that table, with the files of those that firmware can read.
  let boot: BootDisk
  /// The EFI variables that go with it; nil for a disk without.
  let variables: VariableStore?

  /// Reads the disk.
  ///
  /// - Throws: `Fault`.
  init(_ path: FilePath, plan: BuildPlan, variables: VariableStore?) async throws {
    self.plan = plan
    let layout = try plan.target
    self.layout = layout
    self.path = path
    self.variables = variables
    table = try DiskFile.with(path) { try DiskTable(of: $0, sectorSize: layout.sectorSize) }
    boot = try await BootDiskReader(blame: .failed).read(raw: path, table)
  }

  /// Whether the plan has a bootloader installed.
  var hasBootLoader: Bool {
    plan.steps.contains { planned in
      if case .installBootLoader = planned.step { true } else { false }
    }
  }
}
