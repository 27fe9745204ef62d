internal import ArgumentParser
internal import BuildPlan
internal import Command
internal import HostProbe

/// The pour against other ways to get a tree into a filesystem, how its time grows, and its memory.
struct PourBench {
  let options: BenchOptions
  let scratch: String
  private let runner = SubprocessRunner()
  private var image: String { "\(scratch)/pour.img" }
  private var result: String { "\(scratch)/result" }

  init(options: BenchOptions, scratch: String) {
    self.options = options
    self.scratch = scratch
  }

  func run() async throws {
    let bulk = StoreTree(name: "tiny-bulk's large store path", paths: [try await options.bulkPath()])
    let demo = try await StoreTree.closure(
      of: options.system("demo"), name: "the closure of demo", scratch: scratch)
    for tree in [bulk, demo] { try await compareWays(tree) }
    try await compareGrowth(of: bulk)
    try await printMemory()
  }

  /// The pour, and what else brings the same tree to the same disk. The times are those of whole processes; only
  /// that of the writing is not: it is the part that does what the other ways do, as none of them chooses a size.
  private func compareWays(_ tree: StoreTree) async throws {
    let staged = try await tree.staged(in: "\(scratch)/staged")
    let first = try await pour(tree.paths)
    let accelerator = try await HostProbe().accelerator().kind
    var reports: [PourReport] = []
    let pourWay = Way(name: "pour: size and write", prepare: clear) {
      try await seconds { reports.append(try await pour(tree.paths)) }
    }
    let writeWay = Way(name: "  of it, writing alone") { reports.last?.writing ?? 0 }
    let copyWay = way("cp -a", Command("cp", ["-a"] + tree.paths + [result])) {
      try await runner.run("mkdir", result)
    }
    let script = "tar cPf - \"$@\" | dd of=\(result) bs=1M status=none"
    let tarWay = way("tar | dd", Command("sh", ["-c", script, "sh"] + tree.paths))
    let options = ["-q", "-F", "-t", "ext4", "-N", "\(first.inodes)", "-d", staged]
    let mke2fsWay = way("mke2fs -d", Command("mke2fs", options + [result])) {
      try await runner.run("truncate", "-s", "\(first.size)", result)
    }
    let guestWay = virtMakeFS(of: staged, size: first.size, to: result, accelerator, prepare: clear)
    let ways = [pourWay, writeWay, copyWay, tarWay, mke2fsWay, guestWay]
    let title = "\(tree.name): \(try await tree.summary())"
    try await compare(title, ways, rounds: self.options.rounds)
    print("  peak memory of the pour \((reports.map(\.peakMemory).max() ?? 0) / 1024) MiB")
    try await clear()
    try await runner.run("rm", "-rf", staged)
  }

  /// A command that makes the result, from nothing each time.
  private func way(
    _ name: String, _ command: Command, prepare: @escaping () async throws -> Void = {}
  ) -> Way {
    .timed(
      name,
      prepare: {
        try await clear()
        try await prepare()
      }, { try await runner.run(command) })
  }

  /// Four times as much should take four times as long.
  private func compareGrowth(of tree: StoreTree) async throws {
    let parts = (0..<4).map { "\(tree.paths[0])/part-\($0)" }
    try await compare(
      "Growth: a quarter of \(tree.name), and all of it",
      [
        growth("one part of four") { try await pour([parts[0]]) },
        growth("all four parts") { try await pour(parts) },
      ], rounds: options.rounds)
    try await compare(
      "Growth: empty files in one directory",
      [
        growth("50,000") { try await pourFiles(folders: 1, perFolder: 50_000) },
        growth("200,000") { try await pourFiles(folders: 1, perFolder: 200_000) },
      ], rounds: options.rounds)
  }

  /// Without the start of the process, which does not grow.
  private func growth(_ name: String, _ pour: @escaping () async throws -> PourReport) -> Way {
    Way(name: name, prepare: clear) {
      let report = try await pour()
      return report.measuring + report.writing
    }
  }

  private func printMemory() async throws {
    print("\nA million empty files")
    for (name, folders) in [("in 1,000 directories", 1000), ("in one directory", 1)] {
      try await clear()
      let report = try await pourFiles(folders: folders, perFolder: 1_000_000 / folders)
      let time = number(report.measuring + report.writing)
      print("  \(name): \(time) s, peak memory \(report.peakMemory / 1024) MiB")
    }
    try await clear()
  }

  private func pour(_ paths: [String]) async throws -> PourReport {
    try await .ofChild(["pour-paths", image] + paths)
  }

  private func pourFiles(folders: Int, perFolder: Int) async throws -> PourReport {
    try await .ofChild(["pour-files", image, "\(folders)", "\(perFolder)"])
  }

  /// Removes what was made before, and waits for the disk, so that nobody pays for another's writes.
  private func clear() async throws {
    try await runner.run("rm", "-rf", image, result)
    try await runner.run("sync", "-f", scratch)
  }
}

/// libguestfs's way: a virtual machine that makes the filesystem and unpacks a tar into it.
func virtMakeFS(
  of folder: String, size: UInt64, to image: String, _ accelerator: Accelerator.Kind,
  prepare: @escaping () async throws -> Void
) -> Way {
  var environment = ["LIBGUESTFS_BACKEND": "direct"]
  if accelerator == .tcg { environment["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg" }
  let command = Command(
    "virt-make-fs", ["--type=ext4", "--format=raw", "--size=\(size >> 10)K", folder, image],
    environment: environment)
  return .timed("virt-make-fs, in \(accelerator)", isSlow: true, prepare: prepare) {
    try await SubprocessRunner().run(command)
  }
}

/// The section for the pour alone.
struct PourCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pour", abstract: "The pour, and other ways to make a filesystem of a tree.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await PourBench(options: options, scratch: $0).run() }
  }
}
