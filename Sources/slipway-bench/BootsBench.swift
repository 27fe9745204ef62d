internal import ArgumentParser

/// What Slipway adds to the least that a build in a virtual machine takes.
struct BootsBench {
  let options: BenchOptions
  let scratch: String

  func run() async throws {
    let system = try await options.system("tiny")
    let bare = try await BareBoot.prepare(slipway: options.slipway, scratch: scratch)
    let build = SlipwayRun(slipway: options.slipway, system: system, scratch: scratch)
    var memory = 0
    let ways: [Way] = [
      .timed("bare OVMF + kernel + poweroff") { try await bare.run() },
      Way(name: "slipway build, efi, raw") {
        let measure = try await build.build()
        memory = max(memory, measure.peakMemory)
        return measure.seconds
      },
    ]
    try await compare(
      "A build of the system tiny, and a bare boot of the same domain", ways, rounds: options.rounds)
    print("  peak memory of slipway \(memory / 1024) MiB")
    try await compareBootPartitions(bare)
  }

  /// Images whose store is the host's.
  private func compareBootPartitions(_ bare: BareBoot) async throws {
    var ways: [Way] = [.timed("bare OVMF + kernel + poweroff") { try await bare.run() }]
    for name in ["tiny", "demo", "grub-efi"] {
      let build = SlipwayRun(
        slipway: options.slipway, system: try await options.system(name), scratch: scratch,
        arguments: ["--store", "host"])
      ways.append(Way(name: "slipway build --store host, \(name)") { try await build.build().seconds })
    }
    try await compare("Builds of the boot partitions alone", ways, rounds: options.rounds)
  }
}

/// The section for boots alone.
struct BootsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boots", abstract: "A build of a small system, and a bare boot.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await BootsBench(options: options, scratch: $0).run() }
  }
}
