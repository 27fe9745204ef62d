import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Copies of an image that a person uses.
@Suite(.virtualMachines, .serialized) struct RunTests {
  private let runner = SubprocessRunner()

  private func build(in scratch: FilePath, format: String = "raw") async throws -> String {
    let out = scratch.appending("r").string
    let built = try await SlipwayCommand.run([
      "build", "--system", try await TestSystem.path("tiny"), "--out", out, "--additional-space", "32M",
      "--format", format,
    ])
    try #require(built.status == 0, "\(built.errors)")
    return out
  }

  private func digests(of folder: String) async throws -> String {
    try await runner.run("sh", "-c", "cd '\(folder)' && find . -type f | sort | xargs sha256sum")
  }

  /// A command under a pseudo-terminal, with its standard error.
  private func onTerminal(_ arguments: [String]) -> [String] {
    let command = ([SlipwayCommand.executable.string] + arguments).joined(separator: " ")
    return ["script", "-q", "-e", "-f", "-c", command, "/dev/null"]
  }

  @Test func aPersonWorksOnATerminal() async throws {
    try await withScratchDirectory { scratch in
      let out = try await build(in: scratch)
      let before = try await digests(of: out)
      let used = try await ConsoleSession.drive(
        onTerminal(["run", out]),
        commands: [
          "echo written > /root/note; sync; \(ConsoleChecks.reboot)",
          ConsoleChecks.definition, ConsoleChecks.check("note", "grep -q written /root/note"), "poweroff",
        ]
      ) { _ in false }
      #expect(used.status == 0, "\(used.shown.suffix(6000))")
      #expect(used.shown.contains("leave it with Ctrl-]") && used.shown.contains("the guest reboots"))
      #expect(ConsoleChecks.missing(["note"], in: used.shown).isEmpty, "\(used.shown.suffix(6000))")

      let left = try await ConsoleSession.drive(onTerminal(["run", out]), commands: ["\u{1d}"]) { _ in false }
      #expect(left.status == 0, "\(left.shown.suffix(2000))")
      #expect(try await digests(of: out) == before)
      #expect(try await leftovers(in: scratch, besides: ["r"]).isEmpty)
    }
  }

  @Test func aKeptCopyGoesOnAndAPortLeadsIn() async throws {
    try await withScratchDirectory { scratch in
      // A packed image, which no machine can read as it is.
      let out = try await build(in: scratch, format: "raw.zst")
      let kept = scratch.appending("k").string
      let slipway = SlipwayCommand.executable.string
      let first = try await ConsoleSession.drive(
        [slipway, "run", out, "--keep", kept], commands: ["echo written > /root/note; sync; poweroff"]
      ) { _ in false }
      #expect(first.status == 0, "\(first.shown.suffix(6000))")

      // It needs the image no more.
      try FileManager.default.removeItem(atPath: out)
      let (runner, port) = (runner, try LocalPort.free())
      let second = try await ConsoleSession.drive(
        [slipway, "run", "--keep", kept, "--forward", "\(port):80"],
        commands: [
          ConsoleChecks.definition, ConsoleChecks.check("note", "grep -q written /root/note"),
          "modprobe virtio_net; ifconfig eth0 10.0.2.15 up; echo listening-$((6 * 7)); "
            + "while :; do echo answer-$((6 * 7)) | nc -l -p 80; done",
        ]
      ) { shown in
        guard shown.contains("listening-42") else { return false }
        let answer = try await runner.run(
          "timeout", "60", "bash", "-c",
          "until grep -m 1 answer < /dev/tcp/127.0.0.1/\(port); do sleep 1; done")
        return answer.contains("answer-42")
      }
      #expect(second.status == 130)
      #expect(ConsoleChecks.missing(["note"], in: second.shown).isEmpty, "\(second.shown.suffix(6000))")

      let screen = try await ConsoleSession.drive([slipway, "run", "--keep", kept, "--vnc"], commands: []) {
        shown in
        guard let address = shown.firstMatch(of: #/vnc://([0-9.]+):([0-9]+)/#) else { return false }
        let greeting = try await runner.run(
          "timeout", "20", "bash", "-c", "head -n 1 < /dev/tcp/\(address.1)/\(address.2)")
        return greeting.hasPrefix("RFB 003")
      }
      #expect(screen.status == 130, "\(screen.shown)")
      #expect(try await leftovers(in: scratch, besides: ["k"]).isEmpty)
    }
  }
}
