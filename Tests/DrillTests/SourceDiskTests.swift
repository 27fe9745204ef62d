import Foundation
import SystemPackage
import TestSupport
import Testing

/// The disk that a guest copies its root from, damaged while the guest runs.
@Suite(.virtualMachines, .serialized) struct SourceDiskTests {
  /// What becomes of the disk: the bytes that are left of it, and those at its start that are zeroed.
  static let damages: [(name: String, isCut: Bool)] = [
    ("cut in half", true), ("its first MiB zeroed", false),
  ]

  @Test(arguments: damages)
  func aDamagedSourceDiskEndsTheBuild(name: String, isCut: Bool) async throws {
    try await row("source disk damaged in the guest", name) { bench in
      let result = try await bench.run(bench.build("tiny", ["--fs-type", "xfs"])) { process in
        _ = try await bench.waitForGuest()
        let disk = try await sourceDisk(of: bench)
        // Poured long before the guest has booted.
        try await wait(for: "the end of the pour") { try isAtRest(disk) }
        if isCut {
          truncate(disk, (try size(of: disk)) / 2)
        } else {
          let file = open(disk, O_WRONLY)
          _ = pwrite(file, [UInt8](repeating: 0, count: 1 << 20), 1 << 20, 0)
          close(file)
        }
      }
      bench.expect(result, status: 1, says: "mnt/source")
    }
  }

  private func sourceDisk(of bench: Bench) async throws -> String {
    func find() throws -> String? {
      let work = try FileManager.default.contentsOfDirectory(atPath: bench.out.string).first
      let disk = work.map { bench.out.appending("\($0)/source.raw").string }
      return disk.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
    }
    try await wait(for: "a source disk") { try find() != nil }
    return try find() ?? ""
  }

  /// Whether it has data, and was not written for two seconds.
  private func isAtRest(_ disk: String) throws -> Bool {
    var status = stat()
    guard stat(disk, &status) == 0, status.st_blocks > 0 else { return false }
    return time(nil) - status.st_mtim.tv_sec > 2
  }

  private func size(of disk: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: disk)[.size] as? Int ?? 0
  }
}
