internal import Basics
public import BuildPlan
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
  /// - Throws: `SpecError` and `Fault` for a request that cannot be built, or a machine that is not able.
  public func plan() async throws -> BuildPlan {
    try await Prepared.make(
      of: resolvedSpec(), on: request.machine, stepTimeLimit: request.stepTimeLimit, in: nil,
      recorder
    ).plan
  }

  /// Builds the image into the request's output folder, all or nothing.
  ///
  /// - Throws: `SpecError`, `Fault`, `CancellationError`. Nothing is left behind then, but for the log of a build
  ///   that failed (`Fault.log`).
  public func build() async throws -> BuildResult {
    try OutputPath.check(request.out)
    let installer = Installer(
      machine: request.machine, template: try request.machine.domainTemplate(or: DomainTemplate.installer),
      qemuArguments: request.qemuArguments, appliance: request.appliance, start: request.start,
      debugShell: request.debugShell)
    let spec = try resolvedSpec()
    try checkVerifiable(spec)
    try checkReproducible(spec)
    // Before the closure is read, which takes its time.
    if !spec.onlyNixStore { try request.appliance.check(spec.guestFilesystems) }
    let isPrivate = spec.contents.contains(where: \.isSecret)
    return try await BuildSite.with(
      request.out, force: request.force, isPrivate: isPrivate, log: log, at: request.failureLog,
      trees: request.checkReproducible ? TreeRecord() : nil, recorder
    ) { try await build(spec, by: installer, at: $0) }
  }

  /// Each stage is made from the value of the one before it.
  private func build(
    _ spec: ResolvedSpec, by installer: Installer, at site: BuildSite
  ) async throws -> BuildResult {
    var exported = try await export(spec, by: installer, at: site)
    if let trees = site.trees {
      let first = exported.result.manifest
      try await recorder.step(.secondBuild) {
        let second = try await secondBuild(of: spec, by: installer, beside: site)
        try SecondBuild(first: first, second: second.manifest, trees: (trees, second.trees)).check()
      }
      exported.result.isReproduced = true
    }
    guard request.verify else { return exported.result }
    return try await Verified.make(from: exported, on: request.machine, at: site).result
  }

  private func export(
    _ spec: ResolvedSpec, by installer: Installer, at site: BuildSite, onAnotherMachine: Bool = false
  ) async throws -> Exported {
    var prepared = try await Prepared.make(
      of: spec, on: request.machine, stepTimeLimit: request.stepTimeLimit, in: site.work, recorder)
    if onAnotherMachine { prepared.plan.machine = prepared.plan.machine?.other }
    let installed = try await Installed.make(from: prepared, by: installer, at: site) {
      try await Sealed.bytes(of: $1, by: $0, at: site)
    }
    let sealed = try await Sealed.make(from: installed, at: site)
    let checked = try await Checked.make(from: sealed, at: site)
    return try await Exported.make(
      from: checked, of: request.spec,
      seed: spec.seed(of: sealed.plan.generations?.systems ?? [sealed.plan.system]), at: site)
  }

  /// Builds again, and leaves nothing of it.
  private func secondBuild(
    of spec: ResolvedSpec, by installer: Installer, beside site: BuildSite
  ) async throws -> (manifest: Manifest, trees: TreeRecord) {
    let place = site.work.appending("second-build")
    let trees = TreeRecord()
    let isPrivate = spec.contents.contains(where: \.isSecret)
    let exported = try await OutputFolder.with(place.string, force: false, isPrivate: isPrivate) { folder in
      try await export(
        spec, by: installer, at: BuildSite(folder: folder, recorder: recorder, trees: trees),
        onAnotherMachine: true)
    }
    try HostFiles.remove(place)
    return (exported.result.manifest, trees)
  }

  private func resolvedSpec() throws(SpecError) -> ResolvedSpec {
    let spec = try ResolvedSpec(request.spec)
    guard !spec.isDeterministic else { return spec }
    if let manifest = request.repeated { return spec.individual(seed: manifest.seed, time: manifest.time) }
    let numbers = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))
    return spec.individual(
      seed: GUID(high: numbers.0, low: numbers.1), time: Int64(Date().timeIntervalSince1970))
  }

  private func checkReproducible(_ spec: ResolvedSpec) throws {
    guard request.checkReproducible, !spec.isDeterministic else { return }
    throw Fault(
      .badInput, "a build that is not deterministic cannot be reproduced",
      remedy: "Leave --check-reproducible out, or set deterministic to true")
  }

  private func checkVerifiable(_ spec: ResolvedSpec) throws {
    guard request.verify, spec.onlyNixStore || spec.store == .host else { return }
    throw Fault(
      .badInput,
      "an image of \(spec.onlyNixStore ? "a Nix store only" : "the boot partitions alone") cannot be booted",
      remedy: "Leave --verify out")
  }
}
