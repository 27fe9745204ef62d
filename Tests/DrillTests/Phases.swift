import Foundation
import SystemPackage
import TestSupport

extension Bench {
  /// Arguments of a build of a test system.
  func build(_ system: String = "tiny", _ arguments: [String] = [], to name: String = "r") async throws
    -> [String]
  {
    ["build", "--system", try await TestSystem.path(system), "--out", out.appending(name).string] + arguments
  }

  /// A filesystem with the store alone: no machine, seconds.
  func storeBuild(_ arguments: [String] = [], to name: String = "r") async throws -> [String] {
    try await build("tiny", ["--only-nix-store", "--fs-type", "erofs"] + arguments, to: name)
  }

  /// Waits until the guest of a build runs.
  func waitForGuest() async throws -> Int32 {
    try await wait(for: "a guest") { guest() != nil }
    return guest() ?? 0
  }

  /// The machine of a build, and not what asks QEMU for its abilities.
  func guest() -> Int32? {
    processes().first { $0.command.contains("qemu-system") && $0.command.contains("guest=") }?.id
  }

  /// Writes a file of the row's own.
  func write(_ text: String, _ name: String) throws -> String {
    let file = inputs.appending(name).string
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    return file
  }
}
