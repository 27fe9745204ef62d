internal import Basics
internal import BuildPlan
internal import Command
internal import Ext4
internal import Ext4Geometry
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// Everything a build knows before it starts a machine: the closure, checked, and the plan.
struct Preparation: Sendable {
  let tree: PouredTree
  let plan: BuildPlan
  /// Keys to enrol, and to sign with; nil for most images.
  let secureBoot: SecureBoot?
  /// The filesystem of a read-only store, made already, as its size is part of the plan.
  let storeImage: FilePath?
  /// What the tree takes.
  let need: TreeNeed
  /// What the tree looked like when it was measured.
  let fingerprint: Int

  /// Bytes of the tree.
  var content: UInt64 { need.blocks * UInt64(Ext4Format.blockSize) }

  /// The bytes that the host's filesystem must have room for: the target, a disk to copy from, and what a
  /// conversion writes again.
  var hostSpace: ByteSize {
    let conversions = plan.outputs.images.count { $0.format != .raw }
    let copies = 1 + conversions + (plan.pour.place == .source ? 1 : 0)
    return ByteSize(bytes: content * UInt64(copies)) + .mebibytes(256)
  }

  /// Reads and checks the closure, finds firmware and accelerator, and plans.
  ///
  /// - Parameters:
  ///   - scratch: an existing folder for the registration and a copy of the Nix database.
  ///   - onlyToPlan: whether no guest is started and no filesystem made to find something out.
  /// - Throws: `SpecError`, `BuildError`.
  static func make(
    for request: BuildRequest, scratch: FilePath, recorder: StepRecorder, onlyToPlan: Bool = false
  ) async throws -> Preparation {
    let spec = request.spec
    try Planner.check(spec)
    let secureBoot = try spec.secureBoot.map(SecureBoot.init)
    let store = try await storeErrorsAsBuildErrors(.badInput) {
      try StoreLocation(holding: spec.system, from: here)
    }
    let (closure, system, channel) = try await readClosure(of: spec, in: store, scratch: scratch)
    let isStoreOnly = spec.onlyNixStore == true
    let planned = try Planner.contents(of: spec)
    let tree = PouredTree(
      closure: closure, store: store, shape: isStoreOnly ? .store : .root,
      registration: scratch.appending("registration"),
      contents: try await HostContents(planned.entries, store: store),
      filesystems: [MountedPlace("/", spec.fsType ?? .ext4)] + planned.mounts, channel: channel)
    let witness = TreeWitness()
    let uuid = Planner.rootUUID(of: spec, system: system.path)
    async let machine = isStoreOnly ? nil : machineFacts(for: request, startsGuest: !onlyToPlan)
    let need = try await recorder.step(
      .closure,
      detail: { (need: TreeNeed) in
        "\(closure.paths.count) paths, \(ByteSize(bytes: need.blocks * UInt64(Ext4Format.blockSize)))"
      }
    ) {
      // Side by side: one compares the trees with their registration, the other counts what they take.
      async let need = measure(tree, witness, hashSeed: uuid)
      try await check(closure, system: system, spec: spec, in: store)
      return try await need
    }
    let storeImage: FilePath?
    var storeSize: ByteSize?
    if onlyToPlan {
      storeImage = nil
      storeSize = ByteSize(bytes: need.blocks * UInt64(Ext4Format.blockSize))
      if isStoreOnly, let kind = spec.fsType, kind.isReadOnly {
        recorder.warn(
          "the size of a \(kind.rawValue) store is known once it is made; the plan has that of its files")
      }
    } else {
      storeImage = try await readOnlyStore(tree, request, uuid: uuid, scratch: scratch, recorder)
      storeSize = try storeImage.map { ByteSize(bytes: try FileSystem.size(of: $0)) }
    }
    let etc = EtcTree(of: system, in: store)
    warnOfReplaced(by: etc, tree.contents, recorder)
    let planner = Planner(
      spec: spec,
      closure: ClosureFacts(
        system: system.path, tree: need, etcDirectories: etc.directories, etcLinks: etc.links,
        bootFiles: try BootFiles.size(of: system, in: store),
        contentState: tree.contents.machineState(on: planned.mounts),
        storeImage: storeSize),
      machine: try await machine, stepTimeLimit: request.stepTimeLimit)
    let plan = try planner.plan()
    if let wanted = spec.cpus, let given = plan.machine?.cpus, given < wanted {
      let have = ProcessInfo.processInfo.activeProcessorCount
      recorder.warn("cpus: \(wanted) are too many for this host's \(have); the VM gets \(given)")
    }
    return Preparation(
      tree: tree, plan: plan, secureBoot: secureBoot, storeImage: storeImage, need: need,
      fingerprint: witness.fingerprint)
  }

  private static var here: FilePath { FilePath(FileManager.default.currentDirectoryPath) }

  /// Nothing that was asked for goes without a word: activation puts the system's own files over these.
  private static func warnOfReplaced(by etc: EtcTree, _ contents: HostContents, _ recorder: StepRecorder) {
    for path in etc.files where contents.bring(path) {
      recorder.warn(
        "the system has a '\(path)' of its own, which activation puts in place of that of the contents")
    }
  }

  private static func measure(
    _ tree: PouredTree, _ witness: TreeWitness, hashSeed: GUID
  ) async throws -> TreeNeed {
    try await storeErrorsAsBuildErrors { try await tree.writeRegistration() }
    return try await ext4ErrorsAsBuildErrors(.badInput) {
      try await Ext4.measure(witness.watch(tree.nodes()), hashSeed: hashSeed)
    }
  }

  private static func machineFacts(for request: BuildRequest, startsGuest: Bool) async throws -> MachineFacts
  {
    let host = HostProbe()
    let accelerator = try await hostFaultsAsBuildErrors {
      try await host.accelerator(wanted: request.machine.accelerator.kind, startsGuest: startsGuest)
    }
    let processors = request.machine.connection == nil ? ProcessInfo.processInfo.activeProcessorCount : nil
    let pair = try Planner.usesEFI(request.spec) ? try await firmware(request.spec, host) : nil
    return MachineFacts(firmware: pair, accelerator: accelerator.kind, processors: processors)
  }

  /// Files that the spec names are input, others are this machine's.
  private static func firmware(_ spec: ImageSpec, _ host: HostProbe) async throws -> FirmwarePair {
    let wish = spec.firmwareWish
    guard wish.code != nil else {
      return try await hostFaultsAsBuildErrors { try await host.firmware(wish) }
    }
    do {
      return try await host.firmware(wish)
    } catch let fault as HostFault {
      throw SpecError(spec.ovmf == nil ? "efiFirmware" : "OVMF", fault.message, remedy: fault.remedy)
    }
  }

  private static func readOnlyStore(
    _ tree: PouredTree, _ request: BuildRequest, uuid: GUID, scratch: FilePath, _ recorder: StepRecorder
  ) async throws -> FilePath? {
    guard let kind = request.spec.fsType, kind.isReadOnly, tree.shape == .store else { return nil }
    let file = scratch.appending("store.\(kind.rawValue)")
    try await recorder.step(.pour) {
      try await ReadOnlyStore(tree: tree, kind: kind, uuid: uuid, runner: SubprocessRunner())
        .write(to: file, scratch: scratch)
    }
    return file
  }

  private static func readClosure(
    of spec: ImageSpec, in store: StoreLocation, scratch: FilePath
  ) async throws -> (closure: Closure, system: StorePath, channel: StorePath?) {
    guard let text = spec.system else {
      throw SpecError("system", "no system is given", remedy: "Give the store path of a NixOS toplevel")
    }
    let channel = try spec.copyChannel?.path.map { try Channel.find($0, in: store) }
    return try await storeErrorsAsBuildErrors(.badInput) {
      let system = try store.storePath(of: text, from: here)
      let more = try (spec.additionalPaths ?? []).map { try store.storePath(holding: $0, from: here) }
      let roots = [system] + more + [channel].compactMap(\.self)
      if let info = spec.closureInfo {
        let place = FilePath(URL(fileURLWithPath: info).standardizedFileURL.path)
        return (try await Closure.read(roots: roots, closureInfo: place), system, channel)
      }
      return (try await Closure.read(roots: roots, from: store, scratch: scratch), system, channel)
    }
  }

  private static func check(
    _ closure: Closure, system: StorePath, spec: ImageSpec, in store: StoreLocation
  ) async throws {
    let installs = spec.installBootLoader ?? (spec.onlyNixStore != true)
    do {
      try await closure.check(in: store, system: system, installsBootLoader: installs)
    } catch let error as InvalidClosure {
      let lines = error.lines
      throw BuildError(
        .badInput, "the closure cannot be installed: \(lines.first ?? "")", details: Array(lines.dropFirst()))
    }
  }
}

/// What a store reports, in the words of a build.
func storeErrorsAsBuildErrors<Result>(
  _ kind: BuildError.Kind = .failed, _ body: () async throws -> Result
) async throws -> Result {
  do {
    return try await body()
  } catch let failure as PathFailure {
    throw FileSystem.fault(failure)
  } catch let error as StoreError {
    let remedy = error.remedy.isEmpty ? nil : error.remedy
    throw BuildError(kind, "cannot \(error.attempt): \(error.reason)", remedy: remedy)
  }
}

/// A machine that is not able is told apart from a build that fails.
func hostFaultsAsBuildErrors<Result>(_ body: () async throws -> Result) async throws -> Result {
  do {
    return try await body()
  } catch let fault as HostFault {
    throw BuildError(.hostNotAble, fault.message, remedy: fault.remedy)
  }
}
