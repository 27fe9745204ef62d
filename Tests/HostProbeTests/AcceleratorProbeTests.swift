import Basics
import BuildPlan
import Command
import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import HostProbe

@Suite struct AcceleratorProbeTests {
  @Test func emulationOnRequestNeedsNoProbe() async throws {
    let probe = AcceleratorProbe(runner: ScriptedRunner(), cache: nil, device: "/nowhere")
    #expect(try await probe.accelerator(wanted: .tcg) == Accelerator(kind: .tcg, reason: "asked for"))
  }

  @Test func aMissingDeviceMeansEmulationWithAReason() async throws {
    let probe = AcceleratorProbe(runner: ScriptedRunner(), cache: nil, device: "/nowhere/kvm")
    let accelerator = try await probe.accelerator()
    #expect(accelerator.kind == .tcg)
    #expect(accelerator.reason.hasPrefix("/nowhere/kvm does not exist"))
  }

  @Test func aMissingDeviceIsAnErrorWhenKVMIsAskedFor() async throws {
    let probe = AcceleratorProbe(runner: ScriptedRunner(), cache: nil, device: "/nowhere/kvm")
    let fault = try await #require(throws: Fault.self) {
      try await probe.accelerator(wanted: .kvm, startsGuest: false)
    }
    #expect(fault.message.contains("/nowhere/kvm does not exist"))
    #expect(fault.remedy?.contains("--accel") == true)
  }

  @Test func aDeviceThatIsNotKVMIsNotUsable() async throws {
    let accelerator = try await AcceleratorProbe(
      runner: ScriptedRunner(), cache: nil, device: "/dev/null"
    ).accelerator()
    #expect(accelerator.kind == .tcg)
    #expect(accelerator.reason.contains("does not answer"))
  }

  @Test func theDeviceOfThisMachineIsJudgedWithoutRunningAGuest() {
    // Whatever the verdict, it comes from the kernel and takes no time.
    let time = ContinuousClock().measure { _ = KVMDevice.problem(path: "/dev/kvm") }
    #expect(time < .seconds(1))
  }
}

@Suite struct LoopVerdictTests {
  /// A probe whose device is in order, so that the loop decides.
  private func probe(_ runner: ScriptedRunner, cache: FilePath?, bootID: String?) -> AcceleratorProbe {
    AcceleratorProbe(
      guest: LoopGuest(runner: runner, limit: .milliseconds(200)), cache: cache, device: "/dev/kvm",
      bootID: bootID, deviceProblem: { _ in nil })
  }

  @Test func aGuestThatEndsItsLoopMeansKVM() async throws {
    let accelerator = try await probe(ScriptedRunner { _ in "K" }, cache: nil, bootID: "a").accelerator()
    #expect(accelerator == Accelerator(kind: .kvm, reason: "/dev/kvm works"))
  }

  @Test func aPlanStartsNoGuest() async throws {
    let runner = ScriptedRunner { _ in
      Issue.record("a guest was started")
      return "K"
    }
    let accelerator = try await probe(runner, cache: nil, bootID: "a").accelerator(startsGuest: false)
    #expect(accelerator.kind == .kvm)
  }

  @Test func aGuestThatDoesNotEndItsLoopMeansEmulation() async throws {
    let runner = ScriptedRunner { _ in
      try await Task.sleep(for: .seconds(60))
      return "K"
    }
    let time = ContinuousClock.now
    let accelerator = try await probe(runner, cache: nil, bootID: "a").accelerator()
    #expect(accelerator.kind == .tcg)
    #expect(accelerator.reason.contains("took a KVM guest seconds"))
    #expect(ContinuousClock.now - time < .seconds(60))
  }

  @Test func aQEMUThatCannotBeStoppedDoesNotHoldUpTheProbe() async throws {
    let isAnswered = DispatchSemaphore(value: 0)
    let waitedInVain = Mutex(false)
    let runner = ScriptedRunner { _ in
      // Deaf to cancellation, like a process in an uninterruptible system call, until the probe has answered.
      await withUnsafeContinuation { continuation in
        DispatchQueue.global().async {
          let result = isAnswered.wait(timeout: .now() + 300)
          waitedInVain.withLock { $0 = result == .timedOut }
          continuation.resume()
        }
      }
      return "K"
    }
    #expect(try await probe(runner, cache: nil, bootID: "a").accelerator().kind == .tcg)
    isAnswered.signal()
    #expect(!waitedInVain.withLock { $0 })
  }

  @Test func aQEMUThatFailsGivesItsReasonAndIsTriedAgain() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      let cache = folder.appending("accelerator.json")
      let runner = ScriptedRunner { command in
        throw CommandFailure(command: command, reason: .exited(1), tail: ["no such machine"])
      }
      let reason = try await probe(runner, cache: cache, bootID: "a").accelerator().reason
      #expect(reason.contains("no such machine"))
      #expect(!FileManager.default.fileExists(atPath: cache.string))
    }
  }

  @Test func silenceIsNoSuccess() async throws {
    #expect(
      try await probe(ScriptedRunner { _ in "" }, cache: nil, bootID: "a").accelerator().kind == .tcg)
  }

  @Test func theVerdictIsKeptForOneBoot() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      let cache = folder.appending("deep").appending("accelerator.json")
      let works = ScriptedRunner { _ in "K" }
      #expect(try await probe(works, cache: cache, bootID: "a").accelerator().kind == .kvm)
      #expect(works.commands.count == 1)
      #expect(try await probe(works, cache: cache, bootID: "a").accelerator().kind == .kvm)
      #expect(works.commands.count == 1, "the second time the cache answers")
      #expect(try await probe(works, cache: cache, bootID: "a").accelerator(fresh: true).kind == .kvm)
      #expect(works.commands.count == 2, "asked to measure again")
      #expect(try await probe(works, cache: cache, bootID: "b").accelerator().kind == .kvm)
      #expect(works.commands.count == 3, "another boot")
    }
  }

  @Test func aBrokenCacheIsIgnored() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      let cache = folder.appending("accelerator.json")
      try Data("{".utf8).write(to: URL(fileURLWithPath: cache.string))
      let works = ScriptedRunner { _ in "K" }
      #expect(try await probe(works, cache: cache, bootID: "a").accelerator().kind == .kvm)
      #expect(works.commands.count == 1)
    }
  }

  @Test func cancellationEndsTheProbe() async throws {
    let runner = ScriptedRunner { _ in
      try await Task.sleep(for: .seconds(60))
      return "K"
    }
    let probe = AcceleratorProbe(
      guest: LoopGuest(runner: runner, limit: .seconds(60)), cache: nil, device: "/dev/kvm", bootID: nil,
      deviceProblem: { _ in nil })
    let task = Task { try await probe.accelerator() }
    try await Task.sleep(for: .milliseconds(50))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}

@Suite(.enabled(if: qemuIsInstalled, "QEMU is not installed")) struct LoopGuestTests {
  @Test func theROMRunsItsLoopAndSaysSo() async throws {
    let guest = LoopGuest(runner: SubprocessRunner(), limit: .seconds(120))
    #expect(try await guest.run(accelerator: "tcg") == .finished)
  }

  @Test func aGuestAfterItsTimeIsKilled() async throws {
    let guest = LoopGuest(runner: SubprocessRunner(), limit: .milliseconds(1))
    #expect(try await guest.run(accelerator: "tcg") == .late)
  }

  @Test func anAcceleratorThatQEMUDoesNotKnowIsAFailure() async throws {
    let guest = LoopGuest(runner: SubprocessRunner(), limit: .seconds(120))
    guard case .failed(let why) = try await guest.run(accelerator: "nonsense") else {
      Issue.record("QEMU took an accelerator that does not exist")
      return
    }
    #expect(why.contains("nonsense"))
  }
}

private let qemuIsInstalled = FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-system-x86_64")
