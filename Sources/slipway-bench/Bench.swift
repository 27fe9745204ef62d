internal import ArgumentParser
internal import Foundation

/// Prints how times compare. Both sides of a ratio are measured in one run, in turns: machines are noisy.
@main
struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "slipway-bench",
    abstract: "Print how times compare, both sides of each ratio measured in one run, in turns.",
    discussion: "Without a subcommand, all of them, one after another.",
    subcommands: [
      BootsCommand.self, WarmCommand.self, PourCommand.self, SharingCommand.self, BuildsCommand.self,
      DiffCommand.self, AllCommand.self,
      PourPathsCommand.self, PourFilesCommand.self,
    ],
    defaultSubcommand: AllCommand.self)
}

/// Everything that there is to print.
struct AllCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "all", abstract: "All sections.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { scratch in
      try await BootsBench(options: options, scratch: scratch).run()
      try await WarmBench(options: options, scratch: scratch).run()
      try await PourBench(options: options, scratch: scratch).run()
      try await SharingBench(options: options, scratch: scratch).run()
      try await BuildsBench(options: options, scratch: scratch).run()
      try await DiffBench(options: options, scratch: scratch).run()
    }
  }
}

/// Options of all sections.
struct BenchOptions: ParsableArguments {
  @Option(help: "The slipway executable to measure.")
  var slipway = ".build/stage/bin/slipway"

  @Option(help: "The program that prints the store path of the test system it is given.")
  var systems = "Tests/Systems/build"

  @Option(help: "How many rounds count, after the first.")
  var rounds = 3

  func validate() throws {
    guard rounds > 0 else { throw ValidationError("there must be a round that counts") }
  }

  /// Gives a folder for what is measured, and removes it with all that is in it.
  func withScratch(_ body: (String) async throws -> Void) async throws {
    let scratch = FileManager.default.temporaryDirectory
      .appendingPathComponent("slipway-bench-\(getpid())").path
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    try await body(scratch)
  }
}
