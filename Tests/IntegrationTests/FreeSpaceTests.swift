import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// The promise of `additionalSpace`: what root can still write after the installation, within 1 % or 2 MiB.
@Suite(.virtualMachines, .serialized) struct FreeSpaceTests {
  /// All of it takes twelve builds: `make test-all` does.
  private static let cases: [(system: String, mebibytes: Int64)] =
    ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == nil
    ? [("tiny", 0), ("tiny-many", 64)]
    : ["tiny", "demo", "tiny-many"].flatMap { system in [0, 64, 512, 4096].map { (system, $0) } }

  @Test(arguments: cases)
  func theRootHasTheSpaceThatWasAskedFor(system: String, mebibytes: Int64) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path(system), "--out", out.string, "--additional-space",
        "\(mebibytes)M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let root = try await DiskImage(out.appending("nixos.img")).carve(1, to: scratch.appending("root"))
      let have = try await available(in: root)
      let promised = mebibytes << 20
      #expect(have >= promised)
      #expect(have - promised <= max(promised / 100, 2 << 20), "\(have) bytes instead of \(promised)")
    }
  }

  /// Copied roots are estimated, so only the promise itself holds. `make test-all` builds and boots five kinds.
  @Test(
    arguments: ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == nil
      ? [("xfs", Int64(64))]
      : ["ext2", "ext3", "xfs", "btrfs", "f2fs"].flatMap { kind in [0, 2048].map { (kind, Int64($0)) } })
  func aCopiedRootHasAtLeastTheSpaceThatWasAskedFor(kind: String, mebibytes: Int64) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let system = try await TestSystem.path(kind == "f2fs" ? "f2fs" : "tiny")
      let built = try await SlipwayCommand.run([
        "build", "--system", system, "--out", out.string, "--fs-type", kind,
        "--additional-space", "\(mebibytes)M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let have = try await FreeSpace.inside(
        out.appending("nixos.img"), variables: out.appending("efi-vars.fd"), scratch: scratch)
      print("\(kind): \(have >> 20) MiB instead of \(mebibytes)")
      #expect(have >= mebibytes << 20)
    }
  }

  /// What statfs(2) gives root: the free blocks less those that the kernel keeps for itself (2 %, 4096 at most).
  private func available(in root: FilePath) async throws -> Int64 {
    let superblock = try await SubprocessRunner().run("dumpe2fs", "-h", root.string)
    func number(_ name: String) throws -> Int64 {
      let line = superblock.split(separator: "\n").first { $0.hasPrefix(name + ":") }
      return try #require(line?.split(separator: " ").last.flatMap { Int64($0) })
    }
    let kept = try min(number("Block count") / 50, 4096)
    return try (number("Free blocks") - kept) * number("Block size")
  }
}

/// The free space of a root as the booted system sees it.
enum FreeSpace {
  /// Boots a raw image and asks its busybox.
  static func inside(_ image: FilePath, variables: FilePath, scratch: FilePath) async throws -> Int64 {
    let shown = try await ConsoleSession.run(
      image: image, format: "raw", variables: variables, scratch: scratch,
      commands: ["stat -f -c 'free:%f:%S:end' /"], until: ":end\r\n")
    // The command itself is shown, too, as it was typed.
    let answer = try #require(shown.split(separator: "free:").last { $0.first?.isNumber == true })
    let numbers = answer.split(separator: ":").prefix(2).compactMap { Int64($0) }
    try #require(numbers.count == 2)
    return numbers[0] * numbers[1]
  }
}
