internal import Basics
package import BuildPlan
package import Command
internal import Foundation
package import SystemPackage

/// Finds out whether KVM is usable, which is more than that `/dev/kvm` opens.
package struct AcceleratorProbe: Sendable {
  private let device: String
  private let guest: LoopGuest
  private let cache: FilePath?
  private let bootID: String?
  private let deviceProblem: @Sendable (String) -> String?

  /// - Parameters:
  ///   - runner: runs QEMU.
  ///   - cache: the file that keeps the verdict of the loop for one boot; nil for none.
  ///   - device: the KVM device.
  ///   - bootID: what tells this boot from others; nil when it is not known, and then nothing is kept.
  package init(
    runner: any CommandRunner, cache: FilePath?, device: String = "/dev/kvm",
    bootID: String? = AcceleratorProbe.currentBootID()
  ) {
    self.init(
      guest: LoopGuest(runner: runner), cache: cache, device: device, bootID: bootID,
      deviceProblem: KVMDevice.problem)
  }

  /// The seam for tests, which have a machine's verdicts without the machine.
  init(
    guest: LoopGuest, cache: FilePath?, device: String, bootID: String?,
    deviceProblem: @escaping @Sendable (String) -> String?
  ) {
    self.guest = guest
    self.cache = cache
    self.device = device
    self.bootID = bootID
    self.deviceProblem = deviceProblem
  }

  /// The kernel's random name of this boot.
  package static func currentBootID() -> String? {
    (try? WholeFile.read("/proc/sys/kernel/random/boot_id", limit: 4096))
      .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
  }

  /// What to run guests with.
  ///
  /// - Parameters:
  ///   - wanted: what somebody asks for; nil for whatever works.
  ///   - fresh: whether to run the loop again although its verdict of this boot is known.
  ///   - startsGuest: whether the loop may run at all; without it, KVM whose verdict is not known counts as usable.
  /// - Throws: `Fault` when KVM is asked for and is not usable; `CancellationError`.
  package func accelerator(
    wanted: Accelerator.Kind? = nil, fresh: Bool = false, startsGuest: Bool = true
  ) async throws -> Accelerator {
    if wanted == .tcg { return Accelerator(kind: .tcg, reason: "asked for") }
    guard let problem = try await problem(fresh: fresh, startsGuest: startsGuest) else {
      return Accelerator(kind: .kvm, reason: "\(device) works")
    }
    guard wanted == nil else {
      throw Fault(
        .hostNotAble, "KVM was asked for and is not usable: \(problem)", remedy: "Leave out --accel kvm")
    }
    return Accelerator(kind: .tcg, reason: problem)
  }

  private func problem(fresh: Bool, startsGuest: Bool) async throws -> String? {
    if let problem = deviceProblem(device) { return problem }
    if !fresh, let known = cachedVerdict() { return known.problem }
    guard startsGuest else { return nil }
    let verdict: Verdict
    switch try await guest.run(accelerator: "kvm") {
    case .finished: verdict = Verdict(bootID: bootID, problem: nil)
    case .late: verdict = Verdict(bootID: bootID, problem: "a loop of some 10 ms took a KVM guest seconds")
    // Not kept: a QEMU that cannot start is likely to be repaired within this boot.
    case .failed(let why): return "a KVM guest did not run: \(why)"
    }
    keep(verdict)
    return verdict.problem
  }

  /// What the loop showed in one boot.
  private struct Verdict: Codable {
    var bootID: String?
    var problem: String?
  }

  private func cachedVerdict() -> Verdict? {
    guard let cache, let bootID, let bytes = try? WholeFile.read(cache, limit: 64 << 10),
      let verdict = try? JSONDecoder().decode(Verdict.self, from: Data(bytes)), verdict.bootID == bootID
    else { return nil }
    return verdict
  }

  /// A verdict that cannot be kept is found again next time, so failures are of no consequence.
  private func keep(_ verdict: Verdict) {
    guard let cache, bootID != nil, let data = try? JSONEncoder().encode(verdict) else { return }
    try? Folder.makeAll(cache.removingLastComponent())
    let temporary = FilePath(cache.string + ".new")
    try? WholeFile.make(cache, replacingBy: temporary) { try $0.writeAll(data) }
  }
}
