import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Builds that must fail: with the real cause first, and with nothing left behind.
@Suite(.virtualMachines, .serialized) struct FailureTests {
  /// A way to fail, and what the first line must say.
  struct Case: CustomTestStringConvertible, Sendable {
    var system: String
    var arguments: [String] = []
    var status: Int32 = 1
    var cause: String
    var testDescription: String { system + arguments.joined(separator: " ") }
  }

  static let cases = [
    Case(system: "broken-bootloader", cause: "exited with status 7"),
    Case(system: "broken-no-switch", status: 2, cause: "switch-to-configuration"),
    Case(system: "broken-full-esp", cause: "the boot partition on /boot is full: "),
    Case(system: "broken-full-root", cause: "the root filesystem is full:"),
    Case(system: "broken-full-variables", cause: "the EFI variable store is full:"),
    Case(system: "broken-panic", cause: "panic"),
    Case(
      system: "broken-silent", arguments: ["--step-timeout", "15"],
      cause: "could not do the step activate: it was not done within its limit of 15 seconds"),
  ]

  @Test(arguments: cases)
  func a38ABrokenSystemLeavesNothing(failure: Case) async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path(failure.system)
      let result = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", scratch.appending("r").string] + failure.arguments)
      #expect(result.status == failure.status, "\(result.errors)")
      #expect(result.errors.contains(failure.cause), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
      // The log of a build that failed, and none of a request that was refused.
      let log = try? String(contentsOfFile: scratch.appending("r.failed.log").string, encoding: .utf8)
      #expect(log?.contains(failure.cause) == (failure.status == 1 ? true : nil))
      #expect(result.errors.contains("r.failed.log") == (failure.status == 1))
    }
  }

  @Test func aDebugShellTakesAScriptInTheGuest() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("broken-bootloader")
      let slipway = SlipwayCommand.executable.string
      let out = scratch.appending("r").string
      // Computed, because the terminal shows the script itself as well.
      let script = "[ -e /mnt/target/etc/NIXOS ] && echo target-$((6 * 7))"
      let result = try await SlipwayCommand.run(
        [],
        wrapper: [
          "sh", "-c", "echo '\(script)' | '\(slipway)' build --system \(system) --out \(out) --debug-shell",
        ])
      #expect(result.status == 1, "\(result.errors)")
      #expect(result.output.contains("target-42"), "\(result.output)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  @Test func aDamagedClosureIsRefusedBeforeAMachineStarts() async throws {
    try await withScratchDirectory { scratch in
      let info = scratch.appending("closure-info")
      let system = try await TestSystem.path("tiny")
      try await ClosureInfo.write(of: system, to: info, without: "busybox")
      let result = try await SlipwayCommand.run([
        "build", "--system", system, "--closure-info", info.string, "--out", scratch.appending("r").string,
      ])
      #expect(result.status == 2)
      #expect(
        result.cause.contains("busybox") && result.cause.contains("which is not in the closure"),
        "\(result.errors)")
      #expect(!result.errors.contains("\nboot the installer …"), "\(result.errors)")
      #expect(try await leftovers(in: scratch, besides: ["closure-info"]).isEmpty)
    }
  }

  @Test func aTargetThatIsTooSmallIsRefusedBeforeAMachineStarts() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      let result = try await SlipwayCommand.run([
        "build", "--system", system, "--out", scratch.appending("r").string, "--disk-size", "280M",
      ])
      #expect(result.status == 2)
      #expect(result.cause.contains("diskSize"), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  @Test(arguments: ["unlink", "truncate", "touch"])
  func aStoreThatChangesWhileItIsPouredFailsTheBuild(change: String) async throws {
    try await withScratchDirectory { scratch in
      let runner = SubprocessRunner()
      let extra = scratch.appending("slipway-test-path").string
      try FileManager.default.createDirectory(atPath: extra, withIntermediateDirectories: true)
      // The first file takes long enough to pour for the last one to change meanwhile.
      try await runner.run(
        "sh", "-c", "yes | head -c 600M > \"$1/a\"; echo text > \"$1/z\"", "sh", extra)
      let path = try await runner.run("nix-store", "--add", extra)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      let system = try await TestSystem.path("tiny")
      let info = scratch.appending("closure-info")
      try await ClosureInfo.write(of: system, to: info, with: [path])
      let result = try await SlipwayCommand.run([
        "build", "--system", system, "--closure-info", info.string, "--out", scratch.appending("r").string,
      ]) { _ in
        while try allocated("target.raw", in: scratch) == 0 { try await Task.sleep(for: .milliseconds(1)) }
        // At once: the pour takes half a second.
        switch change {
        case "unlink": unlink("\(path)/z")
        case "truncate": truncate("\(path)/z", 1)
        default: utimensat(AT_FDCWD, "\(path)/z", nil, 0)
        }
      }
      try await runner.run("nix-store", "--delete", path)
      #expect(result.status == 1)
      #expect(
        result.cause.contains("\(path)/z") || result.cause.contains("changed while they were written"),
        "\(result.errors)")
      #expect(
        try await leftovers(in: scratch, besides: ["slipway-test-path", "closure-info"]).isEmpty)
    }
  }

  @Test func anInterruptLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("broken-silent")
      let result = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", scratch.appending("r").string]
      ) { process in
        try await waitForInstallation(in: scratch)
        kill(process, SIGINT)
      }
      #expect(result.status == 130, "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  @Test func aKilledSlipwayTakesItsGuestWithIt() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("broken-silent")
      let result = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", scratch.appending("r").string]
      ) { process in
        try await waitForInstallation(in: scratch)
        kill(process, SIGKILL)
      }
      #expect(result.status == 128 + SIGKILL)
      try await Task.sleep(for: .seconds(10))
      #expect(try await leftovers(in: scratch).isEmpty)

      let next = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", scratch.appending("r").string,
      ])
      #expect(next.status == 0, "\(next.errors)")
    }
  }

  /// Waits until the guest of a build has made its filesystems: the installation is under way.
  private func waitForInstallation(in scratch: FilePath) async throws {
    for _ in 0..<600 {
      if try await !guests(of: scratch).isEmpty, try allocated("target.qcow2", in: scratch) > 1 << 20 {
        return
      }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("the installation did not get under way in a minute")
  }

  /// The bytes that a disk of a running build takes on the host.
  private func allocated(_ disk: String, in scratch: FilePath) throws -> Int64 {
    let folders = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
    guard let work = folders.first(where: { $0.contains(".slipway-") }) else { return 0 }
    return allocatedSize(of: scratch.appending(work).appending(disk)) ?? 0
  }
}
