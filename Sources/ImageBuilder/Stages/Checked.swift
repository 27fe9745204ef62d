internal import BuildPlan
internal import SystemPackage

/// A disk and variables of which every check holds.
struct Checked: Sendable {
  let plan: BuildPlan
  let disk: FilePath
  /// SHA-256 of the disk, where it is known by now.
  let digest: String?
  /// How the variables differ from the firmware's template; nil without EFI.
  let changes: [Manifest.VariableChange]?
  /// What the disk says of itself.
  let facts: DiskFacts

  /// - Throws: the first problem, as `Fault`; `CancellationError`.
  static func make(from sealed: Sealed, at site: BuildSite) async throws -> Checked {
    let disk = try await SealedDisk(sealed.disk, plan: sealed.plan, variables: sealed.variables?.store)
    try await disk.check(warn: site.recorder.warn)
    return Checked(
      plan: sealed.plan, disk: sealed.disk, digest: sealed.digest, changes: sealed.variables?.changes,
      facts: try DiskFacts(of: disk))
  }
}
