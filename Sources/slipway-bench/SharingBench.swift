internal import ArgumentParser
internal import Command
internal import Foundation

/// The pour on filesystems that let files share blocks, against a pour that copies on the same filesystem.
struct SharingBench {
  let options: BenchOptions
  let scratch: String
  private let runner = SubprocessRunner()
  private var mountPoint: String { "\(scratch)/mounted" }

  func run() async throws {
    let tree = try await options.bulkPath()
    for kind in ["xfs", "btrfs"] {
      try await withFilesystem(kind) { device in try await compareWays(kind, tree, device) }
    }
  }

  /// Runs `body` with the name of a loop device whose filesystem is mounted, and empty.
  private func withFilesystem(_ kind: String, _ body: (String) async throws -> Void) async throws {
    let file = "\(scratch)/filesystem"
    try await runner.run("truncate", "-s", "8G", file)
    try await runner.run("mkfs.\(kind)", "-q", file)
    try await runner.run("mkdir", "-p", mountPoint)
    let device = try await runner.run("losetup", "--find", "--show", file)
    let outcome: Result<Void, any Error>
    do {
      try await runner.run("mount", device, mountPoint)
      outcome = .success(try await body(String(device.dropFirst("/dev/".count))))
    } catch {
      outcome = .failure(error)
    }
    _ = try? await runner.run("umount", mountPoint)
    try await runner.run("losetup", "--detach", device)
    try await runner.run("rm", file)
    try outcome.get()
  }

  private func compareWays(_ kind: String, _ tree: String, _ device: String) async throws {
    let source = "\(mountPoint)/tree"
    try await runner.run("cp", "-a", tree, source)
    let copying = Pouring(name: "pour that copies", words: ["--copies"])
    let sharing = Pouring(name: "pour that shares", words: [])
    let ways = [copying, sharing].flatMap { pouring in
      [
        Way(name: pouring.name) {
          try await runner.run("rm", "-f", "\(mountPoint)/\(pouring.image)")
          try await runner.run("sync", "-f", mountPoint)
          return try await pouring.run(source, in: mountPoint, to: device)
        },
        Way(name: "  and a sync") { pouring.synced },
      ]
    }
    try await compare("tiny-bulk's large store path on \(kind)", ways, rounds: options.rounds)
    let digests = try await runner.run(
      "sha256sum", "\(mountPoint)/\(copying.image)", "\(mountPoint)/\(sharing.image)")
    let isSame = Set(digests.split(separator: "\n").map { $0.prefix { $0 != " " } }).count == 1
    print(
      "  written to the device: \(copying.written >> 20) MiB, \(sharing.written >> 20) MiB, ratio "
        + number(Double(sharing.written) / Double(copying.written))
        + "; images \(isSame ? "equal" : "DIFFERENT")")
  }
}

/// One way to pour, and what its last time took.
private final class Pouring {
  let name: String
  let words: [String]
  /// Seconds with a sync behind it.
  private(set) var synced = 0.0
  /// Bytes written to the device until it was synced.
  private(set) var written: UInt64 = 0
  var image: String { name.replacingOccurrences(of: " ", with: "-") }

  init(name: String, words: [String]) {
    (self.name, self.words) = (name, words)
  }

  /// - Returns: seconds that the writing took.
  func run(_ source: String, in folder: String, to device: String) async throws -> Double {
    let before = try Self.sectorsWritten(to: device)
    let report = try await PourReport.ofChild(["pour-paths"] + words + ["\(folder)/\(image)", source])
    let syncing = try await seconds { try await SubprocessRunner().run("sync", "-f", folder) }
    synced = report.writing + syncing
    written = (try Self.sectorsWritten(to: device) - before) * 512
    return report.writing
  }

  /// The kernel's own count (Documentation/block/stat), in units of 512 bytes whatever the device's sectors.
  private static func sectorsWritten(to device: String) throws -> UInt64 {
    let fields = try String(contentsOfFile: "/sys/block/\(device)/stat", encoding: .utf8).split(
      separator: " ")
    guard fields.count > 6, let sectors = UInt64(fields[6]) else {
      throw ValidationError("\(device) has no count of what was written")
    }
    return sectors
  }
}

struct SharingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sharing", abstract: "The pour where files can share blocks. Needs root, for loop devices.")

  @OptionGroup var options: BenchOptions

  func run() async throws {
    try await options.withScratch { try await SharingBench(options: options, scratch: $0).run() }
  }
}
