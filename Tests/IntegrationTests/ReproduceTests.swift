import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// An image that is built again from its manifest.
@Suite(.virtualMachines, .serialized) struct ReproduceTests {
  @Test("What was built is built again with the same bytes, and a change of it is named")
  func anImageIsReproducedAndAChangeIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run([
        "build", "-q", "--system", try await TestSystem.path("tiny"), "--out", out.string,
      ])
      try #require(built.status == 0, "\(built.errors)")
      let same = try await SlipwayCommand.run(["reproduce", out.string])
      #expect(same.status == 0, "\(same.errors)\(same.output)")
      #expect(same.output.contains("reproduced: the same bytes"))
      let root = try await DiskImage(out.appending("nixos.img")).partitions()[1].start * 512
      try await SubprocessRunner().run(
        "debugfs", "-w", "-R", "set_inode_field /etc mode 040700",
        "\(out.appending("nixos.img"))?offset=\(root)")
      let other = try await SlipwayCommand.run(["reproduce", "-q", out.string])
      #expect(other.status == 1)
      #expect(other.output.contains("/etc: mode: 040700 → 040755"), "\(other.output)\(other.errors)")
      #expect(try await leftovers(in: scratch, besides: ["r"]) == [])
    }
  }
}
