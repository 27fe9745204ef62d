internal import BuildPlan
internal import Ext4
internal import ImageModel
internal import SystemPackage

/// Writes the plan's tree into its filesystem, natively.
struct Pour: Sendable {
  let tree: PouredTree
  let plan: PourPlan
  /// What the tree looked like when it was measured.
  let fingerprint: Int

  /// Pours into a file that is as large as the disk: whoever has it open keeps the size that it had then.
  ///
  /// - Throws: `BuildError` that names the source file, when one vanishes, changes or cannot be read;
  ///   `CancellationError`.
  func run(to disk: FilePath) async throws {
    let filesystem = plan.filesystem
    guard let uuid = filesystem.uuid else {
      throw BuildError(.failed, "the plan gives the filesystem that is poured no UUID")
    }
    let options = Ext4Options(
      size: plan.size, offset: plan.offset, uuid: uuid, hashSeed: plan.hashSeed,
      label: filesystem.label, time: UInt32(clamping: plan.time), inodes: filesystem.inodes)
    try await ext4ErrorsAsBuildErrors(.failed) {
      let witness = TreeWitness()
      _ = try await Ext4.pour(witness.watch(tree.nodes()), to: disk, options)
      guard witness.fingerprint == fingerprint else {
        throw BuildError(
          .failed, "the store or the contents changed while they were written",
          remedy: "Build again when nothing writes to them")
      }
    }
  }
}

/// What the pour reports, in the words of a build. The error says of what it is, and a source's is the same whenever it
/// is noticed.
func ext4ErrorsAsBuildErrors<Result>(
  _ kind: BuildError.Kind, _ body: () async throws -> Result
) async throws -> Result {
  do {
    return try await body()
  } catch let error as Ext4Error {
    throw BuildError(kind, "the image's files cannot be written: \(error)")
  }
}
