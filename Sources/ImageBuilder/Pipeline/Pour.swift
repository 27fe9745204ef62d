internal import Basics
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

  /// Pours what was prepared, as a step of a build.
  ///
  /// - Throws: as `run(to:)`.
  static func step(_ prepared: Prepared, to disk: FilePath, _ recorder: StepRecorder) async throws {
    let total = prepared.need.content.bytes
    try await recorder.step(.pour, detail: { _ in "\(ByteSize(bytes: total))" }) {
      let pour = Pour(
        tree: prepared.tree, plan: prepared.plan.pour, fingerprint: prepared.fingerprint)
      try await pour.run(to: disk) { recorder.progress(.pour, done: min($0, total), total: total) }
    }
  }

  /// Pours into a file that is as large as the disk: whoever has it open keeps the size that it had then.
  ///
  /// - Parameter progress: is told now and then how many bytes of the tree's files are written.
  /// - Throws: `Fault` that names the source file, when one vanishes, changes or cannot be read;
  ///   `CancellationError`.
  func run(to disk: FilePath, progress: @escaping @Sendable (UInt64) -> Void = { _ in }) async throws {
    let options = try Ext4Options(plan)
    let witness = TreeWitness()
    let nodes = CountedNodes(nodes: witness.watch(tree.nodes()), tell: progress)
    _ = try await Ext4.pour(nodes, to: disk, options)
    guard witness.fingerprint == fingerprint else {
      throw Fault(
        .failed, "the store or the contents changed while they were written",
        remedy: "Build again when nothing writes to them")
    }
  }
}

/// Nodes whose bytes are counted as they pass.
private struct CountedNodes: NodeSource {
  var nodes: any NodeSource
  let tell: @Sendable (UInt64) -> Void
  private var passed: UInt64 = 0
  private var told: UInt64 = 0

  /// How many bytes pass before they are told: a screen shows no more of them.
  private static let piece: UInt64 = 4 << 20

  init(nodes: any NodeSource, tell: @escaping @Sendable (UInt64) -> Void) {
    self.nodes = nodes
    self.tell = tell
  }

  mutating func next() throws(Fault) -> Node? {
    // When the next node is asked for, those before it are written.
    if passed - told >= Self.piece {
      told = passed
      tell(passed)
    }
    guard let node = try nodes.next() else { return nil }
    if case .file(.host(let file)) = node.kind {
      let (sum, isTooLarge) = passed.addingReportingOverflow(file.size)
      passed = isTooLarge ? .max : sum
    }
    return node
  }
}
