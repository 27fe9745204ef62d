internal import Basics
internal import BuildPlan
internal import Command
internal import Ext4
internal import Ext4Geometry
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// Everything a build knows before it makes a disk: the closure, checked, and the plan.
struct Prepared: Sendable {
  var plan: BuildPlan
  let tree: PouredTree
  /// What the tree takes.
  let need: TreeNeed
  /// What the tree looked like when it was measured.
  let fingerprint: Int
  /// Keys to enrol, and to sign with; nil for most images.
  let secureBoot: SecureBoot?
  /// The filesystem of a read-only store, made already, as its size is part of the plan.
  let storeImage: FilePath?
  /// The EFI variables to begin with; nil for the firmware's template.
  var variables: [UInt8]?

  /// Reads and checks the closure, finds firmware and accelerator, and plans.
  ///
  /// - Parameters:
  ///   - work: the folder for what is made of a read-only store; nil to make nothing and to start no guest, and to plan
  ///     with what can be known so.
  /// - Throws: `SpecError`, `Fault`.
  static func make(
    of spec: ResolvedSpec, on choice: MachineChoice, stepTimeLimit: Int? = nil, in work: FilePath?,
    _ recorder: StepRecorder
  ) async throws -> Prepared {
    let secureBoot = try spec.secureBoot.map(SecureBoot.init)
    let input = try await SystemClosure.read(spec)
    let unmeasured = PouredTree(
      closure: input.closure, store: input.store, shape: spec.onlyNixStore ? .store : .root,
      contents: try await HostContents(spec.contents, store: input.store), filesystems: spec.filesystems,
      channel: input.channel, time: Timestamp(seconds: spec.time))
    let systems = input.systems.map(\.path)
    let uuid = spec.rootUUID(of: systems)
    async let machine =
      spec.onlyNixStore ? nil : MachineProbe(choice, startsGuest: work != nil).facts(for: spec)
    let (tree, need, fingerprint) = try await measure(unmeasured, of: input, spec, hashSeed: uuid, recorder)
    let storeImage = try await storeImage(tree, spec.filesystem, uuid: uuid, in: work, recorder)
    let contentSizes = try await onThread { [tree] in try tree.contents.sizes(on: spec.mounts) }
    // The one that is activated.
    let etc = try EtcTree(of: input.systems[0], in: input.store)
    warnOfReplaced(by: etc, tree.contents, recorder)
    let planner = Planner(
      spec: spec,
      closure: ClosureFacts(
        systems: systems, tree: need, etcDirectories: etc.directories, etcLinks: etc.links,
        bootFiles: try BootFiles.size(of: input.systems, in: input.store),
        contentState: tree.contents.machineState(on: spec.mounts), contentSizes: contentSizes,
        storeImage: try storeImage.map { ByteSize(bytes: try HostFiles.size(of: $0)) } ?? need.content),
      machine: try await machine, stepTimeLimit: stepTimeLimit)
    let plan = try planner.plan()
    MachineProbe.warnOfMissingProcessors(plan, spec, recorder)
    return Prepared(
      plan: plan, tree: tree, need: need, fingerprint: fingerprint, secureBoot: secureBoot,
      storeImage: storeImage)
  }

  /// Side by side: one compares the trees with their registration, the other counts what they take.
  private static func measure(
    _ tree: PouredTree, of input: SystemClosure, _ spec: ResolvedSpec, hashSeed: GUID,
    _ recorder: StepRecorder
  ) async throws -> (PouredTree, TreeNeed, fingerprint: Int) {
    try await recorder.step(
      .closure, detail: { "\(input.closure.paths.count) paths, \($0.1.content)" }
    ) {
      async let measured = measure(tree, hashSeed: hashSeed)
      try await input.check(installsBootLoader: spec.installBootLoader)
      return try await measured
    }
  }

  /// Makes the registration of a tree where it has none yet, and counts what all of it takes.
  static func measure(
    _ tree: PouredTree, hashSeed: GUID
  ) async throws -> (PouredTree, TreeNeed, fingerprint: Int) {
    var tree = tree
    try await tree.register()
    let witness = TreeWitness()
    let need = try await Ext4.measure(witness.watch(tree.nodes()), hashSeed: hashSeed)
    return (tree, need, witness.fingerprint)
  }

  /// Makes the filesystem of a read-only store; nil for any other, and where nothing may be made.
  private static func storeImage(
    _ tree: PouredTree, _ kind: FilesystemKind, uuid: GUID, in work: FilePath?, _ recorder: StepRecorder
  ) async throws -> FilePath? {
    guard kind.isReadOnly else { return nil }
    guard let work else {
      recorder.warn(
        "the size of a \(kind.rawValue) store is known only after the build; the plan shows the size of its files"
      )
      return nil
    }
    let file = work.appending("store.\(kind.rawValue)")
    try await recorder.step(.pour) {
      try await ReadOnlyStore(tree: tree, kind: kind, uuid: uuid, runner: SubprocessRunner())
        .write(to: file, scratch: work)
    }
    return file
  }

  /// Nothing that was asked for goes without a word: activation puts the system's own files over these.
  private static func warnOfReplaced(by etc: EtcTree, _ contents: HostContents, _ recorder: StepRecorder) {
    for path in etc.files where contents.bring(path) {
      recorder.warn(
        "the system has a '\(path)' of its own, which activation puts in place of that of the contents")
    }
  }
}

extension TreeNeed {
  /// Bytes of the tree.
  var content: ByteSize { ByteSize(bytes: blocks * UInt64(Ext4Format.blockSize)) }
}
