internal import Basics
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// A result that has booted.
struct Verified: Sendable {
  let result: BuildResult

  /// Boots copies of what was exported.
  ///
  /// - Parameter machine: what to boot with.
  /// - Throws: `Fault`, `CancellationError`.
  static func make(
    from exported: Exported, on machine: MachineChoice, at site: BuildSite
  ) async throws -> Verified {
    guard !exported.result.manifest.images.isEmpty else {
      throw Fault(
        .failed, "there is nothing to verify: postVM removed, renamed or replaced the image",
        remedy: "Leave out --verify, or keep the image")
    }
    // A template of the user's is for one kind of machine, and that was the installer's.
    let request = VerifyRequest(BootRequest(folder: site.work.string, machine: machine.withoutTemplate))
    _ = try await Verification(request, recorder: site.recorder).run()
    return Verified(result: exported.result)
  }
}
