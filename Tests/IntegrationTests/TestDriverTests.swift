import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// `nix/test-driver`, the helper for NixOS's test driver: its tests are in Python, and pytest runs them.
@Suite(.virtualMachines) struct TestDriverTests {
  @Test func theHelperHoldsUnderPytest() async throws {
    try await withScratchDirectory { scratch in
      // Absolute, as pytest runs in the helper's folder.
      let slipway = FilePath(FileManager.default.currentDirectoryPath).pushing(SlipwayCommand.executable)
      let output = try await SubprocessRunner().run(
        Command(
          TestSystem.repository(".cache/tools/bin/python"),
          ["-B", "-m", "pytest", "-q", "-rs", "--basetemp", scratch.appending("pytest").string],
          environment: ["SLIPWAY": slipway.string], folder: TestSystem.repository("nix/test-driver")))
      // pytest fails when it collects nothing, and when a test fails; what it skipped is only shown.
      print(output)
      #expect(output.contains(" passed"))
    }
  }
}
