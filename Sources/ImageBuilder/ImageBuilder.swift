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

  /// What `build` would do. Starts no machine, and writes nothing.
  ///
  /// - Throws: `SpecError` and `BuildError` for a request that cannot be built, or a machine that is not able.
  public func plan() async throws -> BuildPlan {
    let spec = try ResolvedSpec(request.spec)
    return try await Preparation.make(of: spec, for: request, scratch: nil, recorder: recorder).plan
  }

  /// Builds the image into the request's output folder, all or nothing.
  ///
  /// - Returns: the manifest that was written beside the artefacts.
  /// - Throws: `SpecError`, `BuildError`, `CancellationError`. Nothing is left behind then, but for the log of a build
  ///   that failed (`BuildError.log`).
  public func build() async throws -> Manifest {
    try OutputPath.check(request.out)
    let template = try request.machine.domainTemplate(or: DomainTemplate.installer)
    let spec = try ResolvedSpec(request.spec)
    try checkVerifiable(spec)
    // Before the closure is read, which takes its time.
    if !spec.onlyNixStore { try request.appliance.check(spec.guestFilesystems) }
    let isPrivate = spec.contents.contains(where: \.isSecret)
    return try await OutputFolder.with(request.out, force: request.force, isPrivate: isPrivate) { folder in
      let kept = FailureLog(for: folder.destination, at: request.failureLog, isPrivate: isPrivate)
      try log.open(in: folder.work)
      do {
        let manifest = try await build(spec, in: folder, template)
        kept.removeEarlier()
        return manifest
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

  private func build(
    _ spec: ResolvedSpec, in folder: OutputFolder, _ template: DomainTemplate
  ) async throws -> Manifest {
    let preparation = try await Preparation.make(
      of: spec, for: request, scratch: folder.work, recorder: recorder)
    try HostSpace.check(for: preparation, at: folder.work)
    let export = DiskExport(runner: SubprocessRunner())
    try await export.check(preparation.plan.outputs.images.map(\.format))
    let target = folder.work.appending("target.raw")
    try FileSystem.makeSparseFile(target, bytes: preparation.plan.disk.size.bytes)
    var changes: [Manifest.VariableChange]?
    if let machine = preparation.plan.machine {
      changes = try await install(preparation, on: machine, target: target, in: folder.work, template)
    } else {
      try await writeStore(preparation, to: target)
    }
    let images = preparation.plan.outputs.images
    try await recorder.step(
      "export", detail: { _ in images.map(\.format.rawValue).joined(separator: ", ") }
    ) {
      try await export.export(raw: target, as: images, in: folder.work)
    }
    let manifest = try await finish(preparation.plan, changes, in: folder)
    if request.verify { try await verify(manifest, in: folder.work) }
    return manifest
  }

  private func install(
    _ preparation: Preparation, on machine: MachinePlan, target: FilePath, in work: FilePath,
    _ template: DomainTemplate
  ) async throws -> [Manifest.VariableChange]? {
    try await request.appliance.withCache { cache in
      let appliance = try await recorder.step("appliance") {
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
    let variables = work.appending(preparation.plan.outputs.efiVariables ?? "efi-vars.fd")
    return try await Installation(
      preparation: preparation, machine: machine, appliance: appliance, template: template,
      hypervisor: request.machine.hypervisor, debugShell: request.debugShell, target: target,
      variables: variables, work: work, recorder: recorder
    ).run()
  }

  /// A store alone needs no machine.
  private func writeStore(_ preparation: Preparation, to target: FilePath) async throws {
    let plan = preparation.plan
    let runner = SubprocessRunner()
    if let image = preparation.storeImage {
      try await FileRange.copy(image, to: target, at: plan.pour.offset.bytes)
      try FileSystem.remove(image)
    } else {
      try await recorder.step("pour", detail: { _ in "\(ByteSize(bytes: preparation.content))" }) {
        try await Pour(tree: preparation.tree, plan: plan.pour, fingerprint: preparation.fingerprint).run(
          to: target)
      }
    }
    try await PartitionTableWriter(runner: runner).write(plan.disk, to: target)
  }

  private func checkVerifiable(_ spec: ResolvedSpec) throws {
    guard request.verify, spec.onlyNixStore else { return }
    throw BuildError(
      .badInput, "an image of a Nix store only cannot be booted", remedy: "Leave --verify out")
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
    let described = try await recorder.step("digest") { try await files.describe() }
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
