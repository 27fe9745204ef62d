internal import ArgumentParser
internal import BuildPlan
internal import Command
internal import Foundation
internal import HostProbe

/// Whole builds of a large system: with the root that Slipway pours, with a root that the guest copies into, with
/// another Slipway if the environment names one in BASELINE, and libguestfs's filesystem of the same files.
struct BuildsBench {
  let options: BenchOptions
  let scratch: String
  private let runner = SubprocessRunner()
  private var result: String { "\(scratch)/result" }

  init(options: BenchOptions, scratch: String) {
    self.options = options
    self.scratch = scratch
  }

  func run() async throws {
    let system = try await options.system("tiny-bulk")
    let tree = try await StoreTree.closure(of: system, name: "tiny-bulk", scratch: scratch)
    let staged = try await tree.staged(in: "\(scratch)/staged")
    try await fillCaches()
    let size = try await PourReport.ofChild(["pour-paths", result] + tree.paths).size
    let accelerator = try await HostProbe().accelerator().kind
    let ext4 = SlipwayRun(slipway: options.slipway, system: system, scratch: scratch)
    let xfs = SlipwayRun(
      slipway: options.slipway, system: system, scratch: scratch, arguments: ["--fs-type", "xfs"])
    var memory = 0
    var ways = [
      Way(name: "slipway build, efi, raw", prepare: clear) {
        let measure = try await ext4.build()
        memory = max(memory, measure.peakMemory)
        return measure.seconds
      },
      Way(name: "the same, --fs-type xfs", prepare: clear) { try await xfs.build().seconds },
    ]
    if let path = ProcessInfo.processInfo.environment["BASELINE"], !path.isEmpty {
      let baseline = SlipwayRun(slipway: path, system: system, scratch: scratch)
      ways.append(Way(name: "the slipway of BASELINE", prepare: clear) { try await baseline.build().seconds })
    }
    ways.append(virtMakeFS(of: staged, size: size, to: result, accelerator, prepare: clear))
    let title = "A build of the system tiny-bulk: \(try await tree.summary())"
    try await compare(title, ways, rounds: options.rounds, warmUp: false)
    print("  peak memory of slipway \(memory / 1024) MiB")
    try await clear()
    try await runner.run("rm", "-rf", staged)
  }

  /// A round that does not count would take minutes; the copy has read the system, and a small build reads the rest.
  private func fillCaches() async throws {
    let small = try await options.system("tiny")
    _ = try await SlipwayRun(slipway: options.slipway, system: small, scratch: scratch).build()
  }

  private func clear() async throws {
    try await runner.run("rm", "-rf", result)
    try await runner.run("sync", "-f", scratch)
  }
}

/// The section for builds alone.
struct BuildsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "builds", abstract: "Builds of a large system, and other ways; takes many minutes.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await BuildsBench(options: options, scratch: $0).run() }
  }
}
