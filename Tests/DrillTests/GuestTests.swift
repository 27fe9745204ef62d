import Foundation
import SystemPackage
import TestSupport
import Testing

/// Guests that break, or attack, with the rights of the system's own scripts.
@Suite(.virtualMachines, .serialized) struct GuestTests {
  /// What the script does, the exit code, and a word of the cause.
  struct Case: Sendable, CustomTestStringConvertible {
    var fault: String
    var script: String
    var status: Int32 = 1
    var words: String?
    var arguments: [String] = []
    var testDescription: String { fault }
  }

  static let cases = [
    Case(
      fault: "step over its time limit", script: "echo last words; sleep 1000",
      words: "runScript|postInstall",
      arguments: ["--step-timeout", "10"]),
    Case(fault: "guest powers off", script: "sync; echo o > /proc/sysrq-trigger; sleep 100"),
    Case(fault: "guest reboots", script: "sync; echo b > /proc/sysrq-trigger; sleep 100"),
    Case(fault: "guest panics", script: "echo c > /proc/sysrq-trigger; sleep 100", words: "panic"),
    Case(fault: "every process of the guest killed", script: "kill -9 -1; sleep 100"),
    Case(
      fault: "partition table zeroed",
      script: "dd if=/dev/zero of=/dev/vda bs=512 count=64 conv=notrunc; sync",
      words: "partition"),
    Case(fault: "ESP full", script: "cat /dev/zero > /boot/fill", words: "space"),
    Case(fault: "root full", script: "cat /dev/zero > /fill", words: "space"),
    Case(
      fault: "boot loader's file gone", script: "rm -r /boot/EFI/systemd /boot/EFI/BOOT",
      words: "systemd-bootx64"),
    Case(
      fault: "frames forged by a script",
      script: "printf '\\377\\377\\377\\377forged' > /dev/virtio-ports/org.slipway.agent.0 && exit 7; exit 8",
      words: "exited with status 8|broke the protocol"),
  ]

  @Test(arguments: cases)
  func aBrokenGuestEndsTheBuildWithItsCause(broken: Case) async throws {
    try await row(broken.fault, "postInstall: \(broken.script.prefix(60))") { bench in
      let script = try bench.write(broken.script, "script")
      let result = try await bench.run(
        bench.build("tiny", ["--post-install", script] + broken.arguments))
      bench.expect(result, status: broken.status, says: broken.words)
    }
  }

  @Test func aConsoleThatFloodsAndCommandsIsBoundedAndEscaped() async throws {
    try await row(
      "hostile console", "postInstall: ESC ] 52, C1, a line forged, then yes for 8 s", keeps: ["r"]
    ) { bench in
      let script = try bench.write(
        """
        for i in 1 2 3; do
          printf '\\033]52;c;eA==\\007\\033[2J\\302\\2332J\\rslipway: forged\\n' > /dev/ttyS0
          printf '\\033]52;c;eA==\\007\\033[2J\\302\\2332J\\rslipway: forged\\n'
        done
        yes > /dev/ttyS0 & sleep 8; kill $!
        # The child's end would interrupt a write to a line that is full of its output.
        wait $! || :
        printf 'Kernel panic \\033[31m\\n' > /dev/ttyS0
        """, "script")
      let result = try await bench.run(bench.build("tiny", ["--post-install", script, "--verbose"]))
      // A fast machine prints more in that time than a console may.
      if result.status != 0 { bench.expect(result, status: 1, says: "printed more than") }
      let log = bench.out.appending(result.status == 0 ? "r/log/console.log" : "r.failed.log").string
      let size = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int ?? 0
      bench.expect(size < 64 << 20, "\(log) has \(size) bytes")
      bench.expect(!result.errors.contains("\r"), "a carriage return was printed")
    }
  }
}
