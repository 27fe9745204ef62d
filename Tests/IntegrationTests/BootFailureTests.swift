import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Images that must not pass for bootable.
@Suite(.virtualMachines, .serialized) struct BootFailureTests {
  @Test(arguments: [
    ("broken-emergency", "emergency"), ("broken-boot-panic", "panicked"),
  ])
  func aSystemThatDoesNotComeUpFailsItsBuild(system: String, cause: String) async throws {
    try await withScratchDirectory { scratch in
      let result = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path(system), "--out", scratch.appending("r").string,
        "--verify",
      ])
      #expect(result.status == 1)
      #expect(result.cause.contains(cause), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  @Test func anEmptyDiskIsNothingToBoot() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("empty.img").string
      try await SubprocessRunner().run("truncate", "-s", "64M", image)
      let result = try await SlipwayCommand.run(["verify", "--image", image, "--timeout", "120"])
      #expect(result.status == 1)
      #expect(result.cause.contains("nothing to boot"), "\(result.errors)")
      #expect(try await leftovers(in: scratch, besides: ["empty.img"]).isEmpty)
    }
  }

  @Test func aTokenThatNeverComesTimesOut() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("empty.img").string
      try await SubprocessRunner().run("truncate", "-s", "64M", image)
      let result = try await SlipwayCommand.run([
        "verify", "--image", image, "--expect", "never", "--timeout", "2",
      ])
      #expect(result.status == 1)
      #expect(result.cause.contains("2 seconds"), "\(result.errors)")
    }
  }
}
