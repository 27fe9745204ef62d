import Foundation
import SystemPackage
import TestSupport
import Testing

/// The scenarios that are shipped, each on systems that it must pass with and on those that it must not.
@Suite(.virtualMachines, .serialized) struct ScenarioTests {
  /// A scenario and the systems by the names that it has for them.
  struct Case: CustomTestStringConvertible, Sendable {
    var file: String
    var systems: [String: String]
    /// What an error says; nil for a run that passes.
    var failure: String?

    init(_ file: String, _ systems: [String: String], fails failure: String? = nil) {
      (self.file, self.systems, self.failure) = (file, systems, failure)
    }

    var testDescription: String { "\(file) \(failure == nil ? "passes" : "fails")" }
  }

  private func run(
    _ scenario: String, _ systems: [String: String], _ flags: [String] = []
  ) async throws -> SlipwayCommand.Result {
    var words = ["test", scenario]
    for (name, system) in systems.sorted(by: { $0.key < $1.key }) {
      words += ["--system", "\(name)=\(try await TestSystem.path(system))"]
    }
    return try await SlipwayCommand.run(words + flags)
  }

  private func expect(_ test: Case) async throws {
    let file = TestSystem.repository("docs/scenarios/\(test.file).yaml")
    let result = try await run(file, test.systems)
    guard let failure = test.failure else {
      #expect(result.status == 0, "\(result.errors)")
      return
    }
    #expect(result.status == 1, "\(result.errors)")
    #expect(result.cause.contains(failure), "\(result.errors)")
  }

  /// One image: a step that fails ends the scenario, and the reports say so.
  @Test func aStepThatFailsEndsTheScenario() async throws {
    try await withScratchDirectory { scratch in
      func file(_ name: String) -> String { scratch.appending(name).string }
      let image = file("image")
      let built = try await SlipwayCommand.run([
        "build", "--system", try await TestSystem.path("tiny"), "--out", image, "--additional-space", "32M",
      ])
      try #require(built.status == 0, "\(built.errors)")
      let before = try FileManager.default.contentsOfDirectory(atPath: image).sorted()
      let scenario = """
        steps:
          - image: \(image)
          - remember: before
          - boot:
              expectSystem: $tiny
              run:
                - command: echo a line; exit 3
                  status: 3
                  expect: ^a line$
              end: %@
          - files: {unchanged: before, exist: /EFI/BOOT/BOOTX64.EFI}
          - name: there is no such file
            files: {exist: /EFI/nothing.efi}
          - mustNotBoot: panicked
        """
      try scenario.replacing("%@", with: "powerOff").write(
        toFile: file("s.yaml"), atomically: true, encoding: .utf8)
      let result = try await run(
        file("s.yaml"), ["tiny": "tiny"],
        ["--junit", file("r.xml"), "--html", file("r.html"), "--keep", file("kept")])
      #expect(result.status == 1, "\(result.errors)")
      #expect(result.cause == "slipway: there is no /EFI/nothing.efi", "\(result.errors)")
      let junit = try String(contentsOfFile: file("r.xml"), encoding: .utf8)
      #expect(junit.contains(#"tests="6" failures="1" errors="0" skipped="1""#), "\(junit.prefix(500))")
      let page = try String(contentsOfFile: file("r.html"), encoding: .utf8)
      #expect(page.contains("data:image/png;base64,") && page.contains("there is no such file"))
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: file("kept")).sorted()
          == ["step-3-boot-1.log", "step-3-boot-1.png"])
      #expect(try String(contentsOfFile: file("kept/step-3-boot-1.log"), encoding: .utf8).contains("login:"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: image).sorted() == before)
    }
  }

  private static let good = [
    Case("systemd-boot-generations", ["first": "tiny", "second": "tiny-b"]),
    Case("switch-and-power-cut", ["first": "tiny", "second": "tiny-b"]),
    Case("full-boot-partition", ["first": "tiny", "second": "tiny-c"]),
    Case("missing-initrd-secret", ["first": "tiny", "second": "tiny-secrets"]),
    Case("corrupt-uki", ["second": "tiny", "uki": "uki"]),
    Case("fallback-loader", ["first": "tiny-notouch"]),
    Case("boot-variables", ["first": "tiny"]),
    Case("boot-counting", ["first": "tiny", "second": "tiny-b"]),
    Case("from-grub-to-uki", ["grub": "grub-efi", "uki": "uki"]),
    Case("grub-bios", ["first": "grub-bios", "second": "grub-bios-b"]),
    Case("xbootldr", ["first": "xbootldr"]),
    Case("older-boot-loader", ["first": "tiny", "second": "tiny-b"]),
    Case("extra-files", ["first": "extras-fruits", "second": "tiny", "third": "extras-programs"]),
    Case("menu-programs", ["first": "extras-programs"]),
    Case("full-variable-store", ["first": "tiny-notouch", "second": "tiny"]),
    Case("foreign-boot-entry", ["first": "extras-programs"]),
  ]

  /// Each on systems with which what the scenario proves does not hold.
  private static let bad = [
    Case(
      "systemd-boot-generations", ["first": "tiny", "second": "broken-emergency"],
      fails: "the system stopped in an emergency shell"),
    Case(
      "switch-and-power-cut", ["first": "tiny", "second": "broken-bootloader"],
      fails: "switch-to-configuration boot failed"),
    Case("full-boot-partition", ["first": "tiny", "second": "tiny-b"], fails: "did not fail"),
    Case("missing-initrd-secret", ["first": "tiny", "second": "tiny-b"], fails: "did not fail"),
    Case(
      "corrupt-uki", ["second": "tiny", "uki": "tiny-b"], fails: "no file /EFI/Linux/nixos-generation-2*.efi"),
    Case("fallback-loader", ["first": "tiny"], fails: "ended with 0, and not with 1"),
    Case("boot-variables", ["first": "broken-boot-panic"], fails: "the kernel panicked"),
    Case("boot-counting", ["first": "tiny", "second": "broken-emergency"], fails: "emergency shell"),
    Case(
      "from-grub-to-uki", ["grub": "grub-efi", "uki": "broken-bootloader"],
      fails: "switch-to-configuration boot failed"),
    Case(
      "grub-bios", ["first": "grub-bios", "second": "broken-grub-once"], fails: "another system has booted"),
    Case("xbootldr", ["first": "broken-xbootldr"], fails: "there is /loader/entries/nixos-generation-1"),
    Case(
      "older-boot-loader", ["first": "broken-update", "second": "tiny"],
      fails: "does not show 'updating systemd-boot from 000'"),
    Case(
      "extra-files", ["first": "extras-fruits", "second": "broken-extra-files", "third": "extras-programs"],
      fails: "there is /EFI/fruits"),
    Case(
      "menu-programs", ["first": "broken-menu-program"],
      fails: "ended with 1, and not with 0: grep -x 'efi"
    ),
    Case("full-variable-store", ["first": "tiny-notouch", "second": "tiny-notouch"], fails: "did not fail"),
    Case("foreign-boot-entry", ["first": "broken-menu-memtest"], fails: "the image booted, and must not"),
  ]

  private static let sweeps = ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == "1"

  @Test(.enabled("set SLIPWAY_SWEEPS=1 to run every scenario") { sweeps }, arguments: good)
  func aShippedScenarioPasses(test: Case) async throws { try await expect(test) }

  @Test(.enabled("set SLIPWAY_SWEEPS=1 to run every scenario") { sweeps }, arguments: bad)
  func aShippedScenarioFailsOnWhatItWouldFind(test: Case) async throws { try await expect(test) }

  @Test func everyShippedScenarioHasACase() throws {
    let folder = TestSystem.repository("docs/scenarios")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
    #expect(Set(files) == Set(Self.good.map { "\($0.file).yaml" }))
  }
}
