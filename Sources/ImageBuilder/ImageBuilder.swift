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
      of: ResolvedSpec(request.spec), on: request.machine, stepTimeLimit: request.stepTimeLimit, in: nil,
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
    let spec = try ResolvedSpec(request.spec)
    try checkVerifiable(spec)
    // Before the closure is read, which takes its time.
    if !spec.onlyNixStore { try request.appliance.check(spec.guestFilesystems) }
    let isPrivate = spec.contents.contains(where: \.isSecret)
    return try await OutputFolder.with(request.out, force: request.force, isPrivate: isPrivate) { folder in
      let site = BuildSite(folder: folder, recorder: recorder)
      let kept = FailureLog(for: folder.destination, at: request.failureLog, isPrivate: isPrivate)
      try log.open(in: site.work)
      do {
        let result = try await build(spec, by: installer, at: site)
        kept.removeEarlier()
        return result
      } catch {
        guard let error = Self.buildError(error).map({ HostSpace.explained($0, in: site.work) }) else {
          throw error
        }
        // A request that is refused has no output to look into.
        guard error.kind == .failed, !Task.isCancelled else { throw error }
        throw await kept.keep(error, log, console: site.consoleLog)
      }
    }
  }

  /// Each stage is made from the value of the one before it.
  private func build(
    _ spec: ResolvedSpec, by installer: Installer, at site: BuildSite
  ) async throws -> BuildResult {
    let prepared = try await Prepared.make(
      of: spec, on: request.machine, stepTimeLimit: request.stepTimeLimit, in: site.work, recorder)
    let installed = try await Installed.make(from: prepared, by: installer, at: site)
    let sealed = try await Sealed.make(from: installed, at: site)
    let checked = try await Checked.make(from: sealed, at: site)
    let exported = try await Exported.make(from: checked, of: request.spec, at: site)
    guard request.verify else { return exported.result }
    return try await Verified.make(from: exported, on: request.machine, at: site).result
  }

  /// A failure in the words of a build; nil for what is said as it is.
  private static func buildError(_ error: any Error) -> Fault? {
    switch error {
    case let error as Fault: error
    case let error as PathFailure: Fault(error)
    case let error as Errno: Fault(.failed, "a system call failed: \(error)")
    default: nil
    }
  }

  private func checkVerifiable(_ spec: ResolvedSpec) throws {
    guard request.verify, spec.onlyNixStore || spec.store == .host else { return }
    throw Fault(
      .badInput,
      "an image of \(spec.onlyNixStore ? "a Nix store only" : "the boot partitions alone") cannot be booted",
      remedy: "Leave --verify out")
  }
}
