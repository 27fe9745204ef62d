internal import ArgumentParser
internal import Basics
internal import ImageBuilder
internal import ImageModel

/// `slipway diff`
struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two images, output folders or variable stores, down to the field that differs.",
    discussion: """
      Neither has to be Slipway's, and neither is trusted or written to. Exit codes as those of diff: 0 equal, \
      1 different, 2 one of them cannot be read.
      """)

  @Argument(help: ArgumentHelp("The one image, folder or store.", valueName: "a"), completion: .file())
  var left: String

  @Argument(help: ArgumentHelp("The other.", valueName: "b"), completion: .file())
  var right: String

  @Option(help: "Format of both images. (default: by their extensions)")
  var format: ImageFormat?

  @OptionGroup var options: DiffOptions

  func run() async throws {
    let comparison = ImageComparison(left, right, format: format)
    do {
      try options.show(try await cancellingOnSignals { try await comparison.run() })
    } catch var fault as Fault where fault.kind == .failed {
      // 1 says that they differ.
      fault.kind = .badInput
      throw fault
    }
  }
}

/// How differences are shown.
struct DiffOptions: ParsableArguments {
  @Flag(help: "Print all differences as JSON.")
  var json = false

  @Option(help: "Print at most this many differences as text.")
  var limit = 200

  func validate() throws {
    guard limit > 0 else { throw ValidationError("Give --limit a number of 1 or more.") }
  }

  /// Prints what differs.
  ///
  /// - Throws: the exit code 1 where something does; `OutputFailure`.
  func show(_ result: ImageDifferences) throws {
    if json {
      try DataOutput.standard.write(json: DiffText.json(result))
    } else {
      try DataOutput.standard.write(lines: DiffText.lines(result, limit: limit))
    }
    for note in json ? [] : result.notes { ProgressOutput.standardError.write(line: "note: \(note)") }
    if !result.isEmpty { throw ExitCode.failure }
  }
}
