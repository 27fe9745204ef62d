internal import ArgumentParser
internal import Command

/// `slipway diff` of two large images that differ in one file, against reading both.
struct DiffBench {
  let options: BenchOptions
  let scratch: String
  private let runner = SubprocessRunner()
  /// Many small files that every Debian has.
  private static let files = "/usr/share"
  private static let changed = "/common-licenses/GPL-3"

  func run() async throws {
    let (left, right) = ("\(scratch)/left.img", "\(scratch)/right.img")
    try await runner.run("mke2fs", "-q", "-t", "ext4", "-d", Self.files, left, "1700M")
    try await runner.run("cp", "--sparse=always", left, right)
    try await runner.run("debugfs", "-w", "-R", "set_inode_field \(Self.changed) mtime 20200101", right)
    let reading = Way.timed("cat A B") {
      try await runner.run("sh", "-c", "cat \"$@\" > /dev/null", "sh", left, right)
    }
    let diff = Way.timed("slipway diff A B") {
      try await runner.run(
        "sh", "-c", "\"$@\" > /dev/null; [ $? = 1 ]", "sh", options.slipway, "diff", left, right)
    }
    try await compare(
      "two images of 1.7 GB with \(Self.files), one file's time changed", [reading, diff],
      rounds: options.rounds)
    try await runner.run("rm", left, right)
  }
}

struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "The comparison of two images, and reading both.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await DiffBench(options: options, scratch: $0).run() }
  }
}
