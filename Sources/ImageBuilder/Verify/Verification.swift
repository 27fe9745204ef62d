internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import EFIVariables
internal import Foundation
internal import SystemPackage

/// Boots copies of the artefacts through the firmware, and waits for a positive token on the serial console.
public struct Verification: Sendable {
  private let request: VerifyRequest
  private let recorder: StepRecorder

  /// Prepares a verification; nothing runs yet.
  public init(_ request: VerifyRequest, events: @escaping BuildEventHandler) {
    self.init(request, recorder: StepRecorder(events))
  }

  init(_ request: VerifyRequest, recorder: StepRecorder) {
    self.request = request
    self.recorder = recorder
  }

  /// Boots, and takes everything down again.
  ///
  /// - Returns: what was seen. Of several boots some may have failed.
  /// - Throws: `Fault`, also when the only boot fails; `CancellationError`. The artefacts are never written to.
  public func run() async throws -> VerifyResult {
    _ = try BootVerdict(expect: request.expect)
    if case .losesPower(.console(let expression)) = request.trial {
      _ = try BootVerdict(expect: expression, option: "--cut-power-at")
    }
    if let jobs = request.jobs, jobs < 1 {
      throw Fault(.badInput, "--jobs \(jobs) boots nothing", remedy: "Give 1 or more")
    }
    let deadline = try BootDeadline(seconds: request.timeLimit)
    return try await BootSetup.with(
      request.boot, for: "verify", template: DomainTemplate.verify, until: deadline
    ) { setup in
      let starts = try await starts(of: setup)
      let copies = try await copies(for: starts, of: setup, "boot")
      let jobs = request.jobs ?? ConcurrentBoots.fitting(setup)
      let boots = try await ConcurrentBoots(limit: jobs).results(of: starts.indices) { number in
        let start = starts[number]
        return try await result(
          of: BootTrialRun(
            setup: setup, copy: copies[number], entry: start.entry, request: request,
            step: request.choices == .all ? start.step : .bootImage, recorder: recorder,
            screenshot: screenshot(number, of: starts.count),
            deadline: starts.count == 1 ? deadline : try BootDeadline(seconds: request.timeLimit)),
          means: start.means)
      }
      return VerifyResult(
        boots: boots, enforcesSecureBoot: setup.artefacts.efi?.enforcesSecureBoot ?? false)
    }
  }

  /// What has to be booted, and how.
  private func starts(of setup: BootSetup) async throws -> [BootStart] {
    switch request.choices {
    case .one(let choice): [try await setup.start(of: choice)]
    case .all: try await setup.startsOfAllEntries()
    }
  }

  /// A copy for each boot, whose boot loader knows what to start.
  private func copies(
    for starts: [BootStart], of setup: BootSetup, _ name: String
  ) async throws -> [ImageCopy] {
    var copies: [ImageCopy] = []
    for number in starts.indices { copies.append(try await setup.copy("\(name)-\(number)")) }
    try await setup.apply(zip(copies, starts.map(\.means)).map { (copy: $0, means: $1) })
    return copies
  }

  /// How often a boot is tried again that says nothing of the image.
  private static let retries = 2

  /// Of several boots each has its outcome; a single one that fails is an error.
  private func result(of trial: BootTrialRun, means: BootMeans) async throws -> BootResult {
    do {
      return try await recorder.step(trial.step, detail: trial.detail) {
        var trial = trial
        var retries = 0
        while true {
          do {
            return try await trial.run()
          } catch let starved as StarvedGuest {
            guard retries < Self.retries else { throw starved.fault }
            retries += 1
            recorder.warn(
              "the host is too busy for an emulated machine, so the boot begins anew: \(starved.reason)")
            trial.copy = try await copies(
              for: [BootStart(entry: trial.entry, means: means)], of: trial.setup, trial.copy.name + "-again")[
                0]
          }
        }
      }
    } catch let fault as Fault where request.choices == .all && fault.kind == .failed {
      return BootResult(entry: trial.entry.map(BootResult.Entry.init), failure: fault.message)
    }
  }

  /// Of several boots each has a picture of its own: `screen-1.png`.
  private func screenshot(_ number: Int, of count: Int) -> FilePath? {
    guard let path = request.screenshot.map({ FilePath($0) }) else { return nil }
    guard count > 1, let name = path.lastComponent else { return path }
    let suffix = name.extension.map { ".\($0)" } ?? ""
    return path.removingLastComponent().appending("\(name.stem)-\(number + 1)\(suffix)")
  }
}
