import Appliance
import Basics
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite(.timeLimit(.minutes(2))) struct ApplianceSupportTests {
  /// A user without a home has a folder for the time of the build, which can be locked as any cache is.
  @Test func withoutAHomeAnApplianceIsMadeAndGoneAfterwards() async throws {
    let agent = FilePath("/usr/bin/busybox")
    var kept: FilePath?
    try await ApplianceChoice.withCache(nil) { cache in
      kept = cache
      let inputs = ApplianceInputs(
        kernel: try KernelFiles.newestKernel(), agent: agent, drivers: [], tools: ApplianceTool.all)
      let appliance = try await ApplianceBuilder(inputs: inputs, cache: cache).build()
      #expect(FileManager.default.fileExists(atPath: appliance.kernel.string))
    }
    let cache = try #require(kept)
    #expect(!FileManager.default.fileExists(atPath: cache.removingLastComponent().string))
  }
}
