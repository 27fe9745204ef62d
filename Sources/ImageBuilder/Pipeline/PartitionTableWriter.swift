internal import Basics
internal import Command
internal import ImageModel
internal import Sfdisk
internal import SystemPackage

/// Writes a partition table into a disk's file, without a VM.
struct PartitionTableWriter {
  let runner: any CommandRunner

  /// Writes the table, and proves that it is the one asked for.
  ///
  /// - Throws: `Fault`.
  func write(_ layout: DiskLayout, to disk: FilePath) async throws {
    guard layout.table != .none else { return }
    do {
      let folder = disk.removingLastComponent().string
      let name = "./" + (disk.lastComponent?.string ?? "")
      try await runner.run(Sfdisk.write(layout, to: name, in: folder))
      let table = try SfdiskTable(json: await runner.run(Sfdisk.read(name, in: folder)))
      let differences = table.differences(from: layout)
      guard differences.isEmpty else {
        throw Fault(
          .failed,
          "the partition table of \(disk) is not the one asked for: \(differences.joined(separator: "; "))")
      }
    } catch let failure as CommandFailure {
      throw Fault(
        .failed, "the partition table could not be written: \(failure.summary)", evidence: failure.evidence)
    }
  }
}
