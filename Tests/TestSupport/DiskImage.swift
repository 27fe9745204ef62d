internal import Command
internal import Foundation
package import SystemPackage

/// A raw disk image under the eyes of tools that have nothing to do with Slipway.
package struct DiskImage: Sendable {
  /// What `sfdisk -J` says of the table.
  package struct Table: Decodable, Sendable {
    package var label: String
    package var id: String
    package var sectorsize: UInt64
    package var partitions: [Partition]
  }

  /// One line of `sfdisk -J`.
  package struct Partition: Decodable, Sendable {
    /// The file's name, and the partition's number.
    package var node: String
    package var start: UInt64
    package var size: UInt64
    package var type: String
    package var uuid: String?
    package var name: String?
    package var bootable: Bool?
  }

  private struct Dump: Decodable {
    var partitiontable: Table
  }

  package let file: FilePath
  private let runner = SubprocessRunner()

  package init(_ file: FilePath) {
    self.file = file
  }

  /// The partition table, as sfdisk reads it.
  package func table() async throws -> Table {
    let json = try await runner.run("sfdisk", "-J", file.string)
    return try JSONDecoder().decode(Dump.self, from: Data(json.utf8)).partitiontable
  }

  package func partitions() async throws -> [Partition] { try await table().partitions }

  /// Throws the failed checker's output when any of the table, the ESP or the ext4 root is not clean.
  package func check(root: String, scratch: FilePath) async throws {
    try await runner.run("sfdisk", "--verify", file.string)
    let esp = try await carve(0, to: scratch.appending("esp"))
    try await runner.run("fsck.fat", "-n", esp.string)
    let rootFile = try await carve(1, to: scratch.appending("root"))
    switch root {
    case "ext4": try await runner.run("e2fsck", "-fn", rootFile.string)
    case "ext2", "ext3": try await runner.run("e2fsck", "-fn", rootFile.string)
    case "f2fs": try await runner.run("fsck.f2fs", "--dry-run", rootFile.string)
    case "xfs": try await runner.run("xfs_repair", "-n", "-f", rootFile.string)
    default: try await runner.run("btrfs", "check", "--readonly", rootFile.string)
    }
  }

  /// Copies what the system has in `/boot` to a new folder, from the first partition: an ESP, or an ext4 root.
  package func copyBoot(isESP: Bool, to folder: FilePath, scratch: FilePath) async throws {
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: false)
    let partition = try await carve(0, to: scratch.appending("first-partition"))
    defer { try? FileManager.default.removeItem(atPath: partition.string) }
    if isESP {
      try await runner.run("mcopy", "-s", "-Q", "-n", "-i", partition.string, "::/*", folder.string)
    } else {
      // It makes a folder of that name.
      try FileManager.default.removeItem(atPath: folder.string)
      try await runner.run(
        "debugfs", "-R", "rdump /boot \(folder.removingLastComponent())", partition.string)
      let copied = folder.removingLastComponent().appending("boot").string
      if copied != folder.string { try FileManager.default.moveItem(atPath: copied, toPath: folder.string) }
    }
  }

  /// Copies one partition into a file of its own.
  package func carve(_ index: Int, to copy: FilePath) async throws -> FilePath {
    let partition = try await partitions()[index]
    try await runner.run(
      "dd", "if=\(file)", "of=\(copy)", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes",
      "skip=\(partition.start * 512)", "count=\(partition.size * 512)", "status=none")
    return copy
  }
}
