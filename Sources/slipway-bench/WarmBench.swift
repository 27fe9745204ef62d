internal import ArgumentParser

/// What a saved machine saves: builds that restore one beside builds that boot, and beside the least that a boot takes.
struct WarmBench {
  let options: BenchOptions
  let scratch: String

  func run() async throws {
    let bare = try await BareBoot.prepare(slipway: options.slipway, scratch: scratch)
    for name in ["tiny", "tiny-bulk"] {
      let system = try await options.system(name)
      func build(_ start: String) -> SlipwayRun {
        SlipwayRun(
          slipway: options.slipway, system: system, scratch: scratch, arguments: ["--start", start])
      }
      // So that there is a saved machine.
      _ = try await build("auto").build()
      var steps = StepTimes()
      let ways: [Way] = [
        .timed("bare OVMF + kernel + poweroff") { try await bare.run() },
        Way(name: "slipway build --start warm") {
          let measure = try await build("warm").build()
          steps.add(measure)
          return measure.seconds
        },
        Way(name: "slipway build --start cold") { try await build("cold").build().seconds },
      ]
      try await compare("Warm and cold builds of the system \(name)", ways, rounds: options.rounds)
      steps.print("Steps of the warm builds of \(name)")
    }
  }
}

/// The section for warm machines alone.
struct WarmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "warm", abstract: "Builds that restore a machine, and builds that boot one.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await WarmBench(options: options, scratch: $0).run() }
  }
}
