import Foundation
import SystemPackage
import TestSupport
import Testing

/// Processes that are killed, stopped or interrupted, at any point.
@Suite(.virtualMachines, .serialized) struct EndTests {
  /// How long an undisturbed build takes on this machine now; also the control: it leaves its output, and nothing else.
  private func undisturbed() async throws -> Duration {
    let start = ContinuousClock.now
    try await row("control", "nothing", keeps: ["r"]) { bench in
      bench.expect(try await bench.run(bench.build()), status: 0)
    }
    return ContinuousClock.now - start
  }

  @Test func killedAtRandomPointsNothingOfABuildStays() async throws {
    let whole = try await undisturbed()
    var random = RoundRandom("kill")
    for number in 1...6 {
      let point = Duration.milliseconds(
        Int64(whole / .milliseconds(1) * Double.random(in: 0...1, using: &random)))
      try await row("host process killed", "SIGKILL after \(point), \(number) of 6", keeps: ["r"]) { bench in
        _ = try await bench.run(bench.build()) { process in
          try await Task.sleep(for: point)
          kill(process, SIGKILL)
        }
      }
    }
  }

  @Test func killedInItsFirstMomentsABuildLeavesNothing() async throws {
    var random = RoundRandom("first")
    for number in 1...8 {
      let pause = Int64.random(in: 0...25_000, using: &random)
      let signal = number % 2 == 0 ? SIGKILL : SIGHUP
      try await row("work folder just made", "signal \(signal) \(pause) µs later") { bench in
        _ = try await bench.run(bench.storeBuild()) { process in
          while kill(process, 0) == 0,
            try FileManager.default.contentsOfDirectory(atPath: bench.out.string).isEmpty
          {
            try await Task.sleep(for: .microseconds(200))
          }
          try await Task.sleep(for: .microseconds(pause))
          kill(process, signal)
        }
        // Had it been faster than the signal, it would be whole.
        if bench.status == 0 { try FileManager.default.removeItem(atPath: bench.out.appending("r").string) }
      }
    }
  }

  /// In a container every run may have the number of the one that died before it, watchdog and all.
  @Test func aProcessNumberThatComesAgainIsNoObstacle() async throws {
    try await row(
      "process number used again", "killed PID namespace, then the same in a new one", keeps: ["r"]
    ) {
      bench in
      let command = """
        contained() { exec unshare --pid --fork --kill-child --mount-proc "$@"; }
        contained "$@" & first=$!
        while [ -z "$(ls -A '\(bench.out)')" ]; do sleep 0.01; done
        init=$(pgrep -P $first)
        kill -9 $first; wait $first
        # The kernel ends the rest of the namespace in its own time.
        while kill -0 $init; do sleep 0.01; done 2>/dev/null
        ls -A '\(bench.out)' >&2
        contained "$@"
        """
      let result = try await bench.run(bench.storeBuild(), command: command)
      bench.expect(result, status: 0, says: "slipway-")
    }
  }

  /// An interrupted build ends with 130, whichever of the two asked for it.
  static let signals: [(Int32, Int32)] = [(SIGINT, 130), (SIGTERM, 130), (SIGHUP, 129)]

  @Test(arguments: signals)
  func signalsEndABuildWithItsMachine(signal: Int32, status: Int32) async throws {
    try await row("interrupted", "signal \(signal) to slipway with a running guest") { bench in
      let result = try await bench.run(bench.build("broken-silent")) { process in
        _ = try await bench.waitForGuest()
        kill(process, signal)
      }
      bench.expect(result, status: status)
    }
  }

  /// In its first moment, before libvirt has reached it.
  @Test func aStoppedHypervisorEndsTheBuild() async throws {
    try await row("guest hangs", "SIGSTOP of QEMU") { bench in
      let result = try await bench.run(
        bench.build("broken-silent", ["--step-timeout", "20"]), limit: .seconds(240)
      ) { _ in
        kill(try await bench.waitForGuest(), SIGSTOP)
      }
      bench.expect(result, status: 1)
    }
  }

  @Test func anInterruptEndsABuildWhoseHypervisorIsStopped() async throws {
    try await row("guest hangs", "SIGSTOP of QEMU, then SIGINT to slipway") { bench in
      let result = try await bench.run(bench.build("broken-silent"), limit: .seconds(120)) { process in
        kill(try await bench.waitForGuest(), SIGSTOP)
        kill(process, SIGINT)
      }
      bench.expect(result, status: 130)
    }
  }

  @Test func aKilledHypervisorEndsTheBuild() async throws {
    try await row("guest gone", "SIGKILL of QEMU") { bench in
      let result = try await bench.run(bench.build("broken-silent")) { process in
        _ = try await bench.waitForGuest()
        // One that is killed while it is restored is followed by one that boots.
        while bench.processes().contains(where: { $0.id == process }) {
          if let guest = bench.guest() { kill(guest, SIGKILL) }
          try await Task.sleep(for: .milliseconds(100))
        }
      }
      // Killed before libvirt knew it, QEMU could not be started.
      bench.expect([1, 3].contains(result.status), "exit code \(result.status): \(result.errors)")
    }
  }

  @Test(arguments: [SIGKILL, SIGHUP] as [Int32])
  func aHostScriptDiesWithItsBuild(signal: Int32) async throws {
    try await row("script of the host's runs", "signal \(signal) to slipway in preVM") { bench in
      let script = try bench.write(
        "head -c 50M /dev/zero > \"$out/big\"; touch '\(bench.inputs)/runs'; sleep 1000", "pre")
      _ = try await bench.run(bench.build("tiny", ["--pre-vm", script])) { process in
        try await wait(for: "preVM") { FileManager.default.fileExists(atPath: "\(bench.inputs)/runs") }
        kill(process, signal)
      }
    }
  }

  @Test func anInterruptEndsTheDigestOfAHugeDisk() async throws {
    try await row("interrupted at the end", "SIGINT as soon as postVM of a disk of 3T is done") { bench in
      let script = try bench.write("touch '\(bench.inputs)/done'", "post")
      let result = try await bench.run(bench.build("tiny", ["--disk-size", "3T", "--post-vm", script])) {
        process in
        try await wait(for: "postVM") { FileManager.default.fileExists(atPath: "\(bench.inputs)/done") }
        kill(process, SIGINT)
      }
      bench.expect(result, status: 130)
    }
  }
}
