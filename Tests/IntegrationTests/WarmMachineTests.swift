import Basics
import BuildMachine
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Builds whose machine is restored from a saved one.
@Suite(.virtualMachines, .serialized, .timeLimit(.minutes(30))) struct WarmMachineTests {
  /// Prints what two guests must not share. The image has none of it.
  private static let draws = """
    printf 'drawn %s %s\\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n')"
    printf 'time %s\\n' "$(date +%s)"
    /keygen/ld-linux-x86-64.so.2 --library-path /keygen /keygen/ssh-keygen -q -t ed25519 -N '' -C '' -f /run/key
    printf 'key %s\\n' "$(cat /run/key.pub)"
    rm /run/key /run/key.pub
    """
  /// This machine's ssh-keygen, to be put into an image, in the folder `$1`.
  private static let copyKeygen = """
    cp -L $(ldd /usr/bin/ssh-keygen | grep -o '/[^ ]*') /usr/bin/ssh-keygen "$1"
    """

  /// A build with a cache of the suite's own.
  private struct Bench {
    let scratch: FilePath
    let system: String
    var cache: FilePath { scratch.appending("cache") }
    var keygen: FilePath { scratch.appending("keygen") }
    var machines: FilePath { cache.appending("slipway/warm") }

    struct Run {
      var digests: [String]
      /// `warm`, or `cold` with its reason.
      var start: String
      var drawn: String
      /// A host key of ssh's.
      var key: String
      var time: Int?
      var output: String
    }

    func build(_ name: String, _ arguments: [String] = []) async throws -> Run {
      let out = scratch.appending(name).string
      let script = scratch.appending("draws.sh").string
      try Data(WarmMachineTests.draws.utf8).write(to: URL(fileURLWithPath: script))
      let result = try await SlipwayCommand.run(
        [
          "build", "--system", system, "--out", out, "--force", "--verbose", "--post-install", script,
          "--contents", "\(keygen):/keygen",
        ] + arguments,
        environment: ["XDG_CACHE_HOME": cache.string])
      try #require(result.status == 0, "\(result.errors)")
      let text = result.output + "\n" + result.errors
      let report = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: "\(out)/log/build.json")))
      let start = (report as? [String: Any])?["start"] as? [String: String] ?? [:]
      let files = ["\(out)/nixos.img", "\(out)/efi-vars.fd"].filter(FileManager.default.fileExists)
      let sums = try await SubprocessRunner().run(Command("sha256sum", files))
      func word(after sign: String) -> String? {
        text.split(separator: "\n").compactMap { line in
          line.range(of: sign).map { String(line[$0.upperBound...]) }
        }.first
      }
      return Run(
        digests: sums.split(separator: "\n").map { String($0.prefix(64)) },
        start: [start["kind"], start["reason"]].compactMap(\.self).joined(separator: ": "),
        drawn: word(after: "drawn ") ?? "", key: word(after: "key ") ?? "",
        time: word(after: "time ").flatMap { Int($0) }, output: text)
    }

    var saved: [String] {
      (try? FileManager.default.contentsOfDirectory(atPath: machines.string)) ?? []
    }
  }

  private func withBench(_ system: String, _ body: (Bench) async throws -> Void) async throws {
    try await withScratchDirectory { scratch in
      let bench = Bench(scratch: scratch, system: try await TestSystem.path(system))
      try FileManager.default.createDirectory(atPath: bench.keygen.string, withIntermediateDirectories: false)
      try await SubprocessRunner().run("sh", "-ec", Self.copyKeygen, "sh", bench.keygen.string)
      try await body(bench)
    }
  }

  @Test(arguments: [("tiny", []), ("grub-efi", []), ("tiny", ["--fs-type", "xfs"])])
  func warmAndColdBuildsAreTheSameBytesAndShareNothing(system: String, arguments: [String]) async throws {
    try await withBench(system) { bench in
      let cold = try await bench.build("cold", ["--start", "cold"] + arguments)
      #expect(cold.start == "cold: it was asked for")
      #expect(bench.saved.isEmpty)
      let first = try await bench.build("first", arguments)
      #expect(first.start == "cold: no machine of this start was saved")
      #expect(bench.saved.count == 1)
      let warm = try await bench.build("warm", ["--start", "warm"] + arguments)
      #expect(warm.start == "warm")
      async let left = bench.build("left", arguments)
      async let right = bench.build("right", arguments)
      let runs = [cold, first, warm, try await left, try await right]
      #expect(runs.dropFirst(2).allSatisfy { $0.start == "warm" })
      // Other filesystems than ext4 are written by the guest's kernel, whose order is not always the same.
      if arguments.isEmpty { #expect(Set(runs.map(\.digests)).count == 1) }
      #expect(Set(runs.map(\.drawn)).count == runs.count)
      #expect(runs.allSatisfy { $0.drawn.count == 36 + 1 + 32 }, "\(runs.map(\.drawn))")
      #expect(runs.allSatisfy { $0.key.hasPrefix("ssh-ed25519 ") }, "\(runs.map(\.key))")
      #expect(Set(runs.map(\.key)).count == runs.count)
      for run in runs {
        let time = try #require(run.time)
        #expect((946_814_400..<946_814_400 + 600).contains(time))
      }
    }
  }

  @Test(.sweep) func tenPairsOfWarmBuildsShareNothing() async throws {
    try await withBench("tiny") { bench in
      var runs = [try await bench.build("first")]
      for _ in 1...10 {
        async let left = bench.build("left", ["--start", "warm"])
        async let right = bench.build("right", ["--start", "warm"])
        runs += [try await left, try await right]
      }
      #expect(runs.dropFirst().allSatisfy { $0.start == "warm" })
      #expect(Set(runs.map(\.digests)).count == 1)
      #expect(Set(runs.map(\.drawn)).count == runs.count)
      #expect(Set(runs.map(\.key)).count == runs.count)
    }
  }

  /// Done to the packed state, whose size stays, so that only its digest or the hypervisor can tell; `$1` is the file.
  static let damages = [
    "printf x | dd of=$1 bs=1 seek=1000000 conv=notrunc",
    "s=$(stat -c %s $1); head -c $s /dev/zero > $1",
    "s=$(stat -c %s $1); head -c $s /dev/urandom | zstd -q > z; head -c $s z > $1",
  ]

  @Test func aMachineThatDoesNotRestoreIsReplaced() async throws {
    try await withBench("tiny") { bench in
      let first = try await bench.build("first")
      for damage in Self.damages {
        let name = try #require(bench.saved.first)
        let state = bench.machines.appending("\(name)/state.zst").string
        try await SubprocessRunner().run(
          Command("sh", ["-ec", damage, "sh", state], folder: bench.scratch.string))
        let refused = try await SlipwayCommand.run(
          [
            "build", "--system", bench.system, "--out", bench.scratch.appending("no").string, "--start",
            "warm",
          ],
          environment: ["XDG_CACHE_HOME": bench.cache.string])
        #expect(refused.status == 3, "\(refused.errors)")
        #expect(refused.cause.contains("could not restore a machine"), "\(refused.errors)")
        #expect(bench.saved.isEmpty)
        let next = try await bench.build("next")
        #expect(next.start.hasPrefix("cold"))
        #expect(next.digests == first.digests)
        #expect(bench.saved.count == 1)
      }
      let name = try #require(bench.saved.first)
      let state = bench.machines.appending("\(name)/state.zst").string
      try await SubprocessRunner().run("sh", "-ec", Self.damages[0], "sh", state)
      let replaced = try await bench.build("replaced")
      #expect(replaced.start.contains("could not be restored"))
      #expect(replaced.output.contains("it is removed, and the machine boots"))
      #expect(try await bench.build("again").start == "warm")
    }
  }

  @Test func aMachineIsSavedForLaterBuilds() async throws {
    try await withBench("tiny") { bench in
      let environment = ["XDG_CACHE_HOME": bench.cache.string]
      let made = try await SlipwayCommand.run(["appliance", "build", "--warm"], environment: environment)
      #expect(made.status == 0, "\(made.errors)")
      #expect(try await bench.build("warm", ["--start", "warm"]).start == "warm")
      let list = try await SlipwayCommand.run(["cache"], environment: environment)
      #expect(list.output.contains("machine "), "\(list.output)")
      #expect(list.output.contains("appliance "), "\(list.output)")
      let other = try await SlipwayCommand.run(
        ["build", "--system", bench.system, "--out", "no", "--start", "warm", "--mem-size", "1280"],
        environment: environment)
      #expect(other.status == 3)
      #expect(other.cause.contains("no machine of this start was saved"), "\(other.errors)")
      let pruned = try await SlipwayCommand.run(["cache", "prune", "--days", "0"], environment: environment)
      #expect(pruned.output.contains("2 in all"), "\(pruned.output)")
      #expect(bench.saved.isEmpty)
    }
  }
}
