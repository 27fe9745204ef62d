internal import BuildPlan

/// With Secure Boot on, the firmware takes what it starts by itself.
struct SignatureCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) async throws {
    guard let store = disk.variables,
      let programs = try await SignedPrograms.read(
        from: disk.path, disk.boot, layout: disk.layout, store: store)
    else { return }
    programs.warnings.forEach(warn)
    try programs.check()
  }
}
