internal import Appliance
internal import Basics
public import BuildPlan
internal import Command
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// Builds images. The one entry point of the library: a request in, a manifest out.
public struct ImageBuilder: Sendable {
  private let request: BuildRequest
  private let recorder: StepRecorder
  private let log: BuildLog

  /// Prepares a build; nothing runs yet.
  ///
  /// - Parameter events: is told what happens, from any task.
  public init(_ request: BuildRequest, events: @escaping BuildEventHandler) {
    let log = BuildLog()
    self.request = request
    self.log = log
    recorder = StepRecorder { event in
      log.note(event)
      events(event)
    }
  }

  /// What `build` would do. Starts no machine.
  ///
  /// - Throws: `SpecError` and `BuildError` for a request that cannot be built, or a machine that is not able.
  public func plan() async throws -> BuildPlan {
    try await ScratchFolder.with("plan") { scratch in
      try await Preparation.make(for: request, scratch: scratch, recorder: recorder, onlyToPlan: true).plan
    }
  }

  /// Builds the image into the request's output folder, all or nothing.
  ///
  /// - Throws: `SpecError`, `BuildError`, `CancellationError`. Nothing is left behind then, but for the log of a build
  ///   that failed (`BuildError.log`).
  public func build() async throws -> BuildResult {
    try OutputPath.check(request.out)
    let template = try request.machine.domainTemplate(or: DomainTemplate.installer)
    try checkVerifiable()
    try checkAppliance()
    let isPrivate = request.spec.extraFiles?.isEmpty == false
    return try await OutputFolder.with(request.out, force: request.force, isPrivate: isPrivate) { folder in
      let kept = FailureLog(for: folder.destination, at: request.failureLog, isPrivate: isPrivate)
      try log.open(in: folder.work)
      do {
        let result = try await build(in: folder, template)
        kept.removeEarlier()
        return result
      } catch {
        guard let error = Self.buildError(error).map({ HostSpace.explained($0, in: folder.work) }) else {
          throw error
        }
        // A request that is refused has no output to look into.
        guard error.kind == .failed, !Task.isCancelled else { throw error }
        throw kept.keep(error, log, console: folder.work.appending("log").appending("console.log"))
      }
    }
  }

  /// A failure in the words of a build; nil for what is said as it is.
  private static func buildError(_ error: any Error) -> BuildError? {
    switch error {
    case let error as BuildError: error
    case let error as PathFailure: FileSystem.fault(error)
    case let error as Errno: BuildError(.failed, "a system call failed: \(error)")
    default: nil
    }
  }

  private func build(in folder: OutputFolder, _ template: DomainTemplate) async throws -> BuildResult {
    let preparation = try await Preparation.make(for: request, scratch: folder.work, recorder: recorder)
    try HostSpace.check(for: preparation, at: folder.work)
    let export = DiskExport(runner: SubprocessRunner())
    try await export.check(preparation.plan.outputs.images.map(\.format))
    let target = folder.work.appending("target.raw")
    try FileSystem.makeSparseFile(target, bytes: preparation.plan.disk.size.bytes)
    var changes: [Manifest.VariableChange]?
    var facts = DiskFacts()
    if let machine = preparation.plan.machine {
      changes = try await install(preparation, on: machine, target: target, in: folder.work, template)
      facts = try await DiskFacts(
        of: target, preparation.plan, variables: variables(preparation.plan, folder.work))
    } else {
      try await writeStore(preparation, to: target)
    }
    try FileSystem.remove(preparation.tree.registration)
    let images = preparation.plan.outputs.images
    try await recorder.step(
      .export, detail: { _ in images.map(\.format.rawValue).joined(separator: ", ") }
    ) {
      try await export.export(raw: target, as: images, in: folder.work)
    }
    let manifest = try await finish(preparation.plan, changes, in: folder)
    if request.verify { try await verify(manifest, in: folder.work) }
    return BuildResult(
      manifest: manifest, loaders: facts.loaders, rootFree: facts.rootFree,
      accelerator: preparation.plan.machine?.accelerator)
  }

  private func install(
    _ preparation: Preparation, on machine: MachinePlan, target: FilePath, in work: FilePath,
    _ template: DomainTemplate
  ) async throws -> [Manifest.VariableChange]? {
    try await request.appliance.withCache { cache in
      let appliance = try await recorder.step(.appliance) {
        try await request.appliance.make(for: filesystems(of: preparation.plan), in: cache)
      }
      return try await install(preparation, on: machine, appliance, target: target, in: work, template)
    }
  }

  private func install(
    _ preparation: Preparation, on machine: MachinePlan, _ appliance: Appliance, target: FilePath,
    in work: FilePath, _ template: DomainTemplate
  ) async throws -> [Manifest.VariableChange]? {
    if let script = preparation.plan.preVM {
      try await hook("preVM", script).run(in: work)
    }
    return try await Installation(
      preparation: preparation, machine: machine, appliance: appliance, template: template,
      hypervisor: request.machine.hypervisor, debugShell: request.debugShell, target: target,
      variables: variables(preparation.plan, work), work: work, recorder: recorder
    ).run()
  }

  private func variables(_ plan: BuildPlan, _ work: FilePath) -> FilePath {
    work.appending(plan.outputs.efiVariables ?? "efi-vars.fd")
  }

  /// A store alone needs no machine.
  private func writeStore(_ preparation: Preparation, to target: FilePath) async throws {
    let plan = preparation.plan
    let runner = SubprocessRunner()
    if let image = preparation.storeImage {
      try await FileRange.copy(image, to: target, at: plan.pour.offset.bytes)
      try FileSystem.remove(image)
    } else {
      try await Pour.step(preparation, to: target, recorder)
    }
    try await PartitionTableWriter(runner: runner).write(plan.disk, to: target)
  }

  private func checkVerifiable() throws {
    guard request.verify, request.spec.onlyNixStore == true else { return }
    throw BuildError(
      .badInput, "an image of a Nix store only cannot be booted", remedy: "Leave --verify out")
  }

  /// Before the closure is read, which takes its time.
  private func checkAppliance() throws {
    let spec = request.spec
    guard spec.onlyNixStore != true else { return }
    try Planner.check(spec)
    let root = [(kind: spec.fsType ?? .ext4, key: "fsType")]
    try request.appliance.check(root + (spec.partitions ?? []).map { (kind: $0.fsType, key: "partitions") })
  }

  private func filesystems(of plan: BuildPlan) -> [FilesystemKind] {
    plan.disk.partitions.compactMap(\.filesystem?.kind)
  }

  private func hook(_ name: String, _ script: String) -> HostHook {
    HostHook(name: name, script: script, runner: SubprocessRunner(), recorder: recorder)
  }

  /// Runs `postVM`, which may change and add files, and then writes down what there is.
  private func finish(
    _ plan: BuildPlan, _ changes: [Manifest.VariableChange]?, in folder: OutputFolder
  ) async throws -> Manifest {
    let files = OutputFiles(outputs: plan.outputs, folder: folder)
    try files.writeProducts()
    if let script = plan.postVM {
      let variables = plan.outputs.efiVariables.map { folder.work.appending($0).string }
      let image = plan.outputs.images.first.map { folder.work.appending($0.file).string }
      try await hook("postVM", script).run(
        in: folder.work,
        environment: ["diskImage": image, "efiVars": variables].compactMapValues(\.self))
      try files.updateProducts()
    }
    let described = try await recorder.step(.digest) { try await files.describe() }
    let manifest = Manifest(
      spec: request.spec.withoutScripts, system: plan.system, disk: plan.disk, images: files.images,
      efiVariables: files.efiVariables, firmware: plan.machine?.firmware,
      efiVariableChanges: changes, files: described, tools: await ToolVersions.collect(for: plan))
    try BuildReport(
      accelerator: plan.machine?.accelerator, steps: recorder.steps, warnings: recorder.warnings
    ).write(into: folder.work)
    try FileSystem.write(manifest.json(), to: folder.work.appending(Manifest.fileName))
    return manifest
  }

  private func verify(_ manifest: Manifest, in folder: FilePath) async throws {
    guard !manifest.images.isEmpty else {
      throw BuildError(
        .failed, "there is nothing to verify: postVM removed, renamed or replaced the image",
        remedy: "Leave out --verify, or keep the image")
    }
    let request = VerifyRequest(folder: folder.string, machine: request.machine.withoutTemplate)
    _ = try await Verification(request, recorder: recorder).run()
  }
}
