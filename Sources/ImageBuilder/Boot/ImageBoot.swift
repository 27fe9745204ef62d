internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Foundation
internal import SystemPackage

/// One boot of a copy of an image.
struct ImageBoot {
  let setup: BootSetup
  let copy: ImageCopy
  /// A regular expression for what the console of a system that is up shows.
  let expect: String
  /// The end of the time that the boot has.
  let deadline: ContinuousClock.Instant
  let recorder: StepRecorder
  /// The step that the boot belongs to.
  var step = BuildStep.bootImage

  /// A console that printed something this long before the end of the time was busy, and not silent.
  private static let silence = Duration.seconds(10)

  /// How Linux panics when an emulated machine gets so little of the host's time that no tick of its timer arrives.
  private static let starvation = "IO-APIC + timer doesn't work!"

  /// What came of it.
  struct Outcome: Sendable {
    enum End: Hashable, Sendable {
      /// The console shows what is expected; the line.
      case up(String)
      /// The boot can no longer succeed; why.
      case lost(String)
      /// The time is over, and the console was silent for its last ten seconds, or was not.
      case late(isSilent: Bool)
    }

    var end: End
    /// From the machine's start to its end.
    var seconds: Double
    /// What firmware and boot loaders said of what they could not start.
    var complaints: [String]
    /// The entry of its own that the firmware started last; nil where it said nothing of one.
    var started: String?
  }

  /// Boots, and runs `body` with the machine as it is then; it may have ended. It is gone afterwards.
  ///
  /// - Throws: `Fault` when there is no machine; `StarvedGuest`; `CancellationError`; what `body` throws.
  func run<Result: Sendable>(_ body: (Machine, Outcome) async throws -> Result) async throws -> Result {
    // Before there is a machine.
    _ = try BootVerdict(expect: expect)
    return try await withMachine(configuration) { machine in
      let outcome = try await BootWatch(console: machine.console, step: step, recorder: recorder) {
        $0.lastLines.last ?? BootPhase.firmware.rawValue
      }.during { try await wait(on: machine) }
      return try await body(machine, outcome)
    }
  }

  private var configuration: MachineConfiguration {
    MachineConfiguration(hypervisor: setup.machine.hypervisor) { [setup, copy] session in
      try setup.domain(of: copy, session)
    }
  }

  /// What the console has shown so far.
  private struct Reading: Sendable {
    /// Nil while nothing is decided.
    var end: Outcome.End?
    var complaints: [String]
    var started: String?
    var lastHeard: ContinuousClock.Instant
  }

  /// Reads the console until it decides the matter, the machine ends, or the time is over.
  private func wait(on machine: Machine) async throws -> Outcome {
    let start = ContinuousClock.now
    let pieces = machine.console.text()
    let (deadline, expect) = (deadline, expect)
    let reading: Reading? = try await withThrowingTaskGroup(of: Reading?.self) { group in
      group.addTask { try await Self.read(pieces, expect, since: start) }
      group.addTask {
        try await Task.sleep(until: deadline)
        return nil
      }
      let first = try await group.next() ?? nil
      group.cancelAll()
      // With the time over, the reader comes back with what it has.
      if let first { return first }
      return try await group.next() ?? nil
    }
    try Task.checkCancellation()
    let now = ContinuousClock.now
    guard let reading else { throw CancellationError() }
    let end: Outcome.End
    if let decided = reading.end {
      end = decided
    } else if now < deadline {
      // What came first counts: a machine that ended by itself was not stopped by the clock, however late it is now.
      end = .lost("\(try await machine.ended())")
    } else {
      let isSilent = now - reading.lastHeard >= Self.silence
      end = .late(isSilent: isSilent)
    }
    if setup.accelerator == .tcg, case .lost(let reason) = end, reason.contains(Self.starvation) {
      throw StarvedGuest(reason: reason)
    }
    return Outcome(
      end: end, seconds: (now - start) / .seconds(1), complaints: reading.complaints, started: reading.started
    )
  }

  private static func read(
    _ pieces: AsyncStream<String>, _ expect: String, since start: ContinuousClock.Instant
  ) async throws -> Reading {
    var verdict = try BootVerdict(expect: expect)
    var lastHeard = start
    for await piece in pieces {
      lastHeard = .now
      let end: Outcome.End
      switch verdict.read(piece) {
      case .open: continue
      case .up(let token): end = .up(token)
      case .lost(let reason): end = .lost(reason)
      }
      return Reading(
        end: end, complaints: verdict.complaints, started: verdict.started, lastHeard: lastHeard)
    }
    return Reading(
      end: nil, complaints: verdict.complaints, started: verdict.started, lastHeard: lastHeard)
  }
}

/// The host was too busy for an emulated guest, whose kernel gave up before it did anything. The boot says nothing of the
/// image: it is for whoever can make it again.
struct StarvedGuest: Error {
  let reason: String

  /// It as a failure, where it happens again and again.
  var fault: Fault {
    // Of several boots, the others still say something.
    Fault(
      .failed, "the image did not boot", cause: reason,
      remedy: "This host is too busy to emulate a machine: wait, or run less beside it")
  }
}
