internal import ArgumentParser
internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// What is printed of boots. Some of its text is what a hostile image would have.
@Suite struct BootReportTests {
  private static let result: VerifyResult = {
    func entry(_ identifier: String, _ generation: UInt64?, _ specialisation: String? = nil)
      -> BootResult.Entry
    {
      BootResult.Entry(
        BootEntryReport(
          kind: .type1, identifier: identifier, partition: 1, file: "x", title: "NixOS <&\"\u{1b}[31m",
          files: [],
          options: "", sections: [], searches: [], profile: "system", generation: generation,
          specialisation: specialisation, isDefault: false))
    }
    var first = BootResult(entry: entry("nixos-generation-2.conf", 2))
    first.isUp = true
    first.token = "nixos login: "
    first.seconds = 7.25
    first.booted = BootedSystem(
      system: "/nix/store/b-nixos", commandLine: "init=/nix/store/b-nixos/init quiet")
    var second = BootResult(
      entry: entry("nixos-generation-1-specialisation-verbose.conf", 1, "verbose"),
      failure: "the image did not boot: the kernel panicked: \u{7}]]> <x>")
    second.complaints = ["BdsDxe: failed to load Boot0001"]
    return VerifyResult(boots: [first, second], enforcesSecureBoot: false)
  }()

  @Test func severalBootsAreATable() throws {
    try expectSnapshot(BootReport.table(Self.result).joined(separator: "\n") + "\n", named: "boots.txt")
    #expect(!Self.result.isPassed)
  }

  @Test func theReportForCIIsXML() throws {
    try expectSnapshot(BootReport.junit(Self.result, of: "image <1>"), named: "boots.xml")
  }

  @Test func theReportForProgramsIsJSON() throws {
    try expectSnapshot(BootReport.json(Self.result), named: "boots.json")
  }

  @Test func oneBootIsSummed() {
    var result = Self.result
    result.boots.removeLast()
    result.enforcesSecureBoot = true
    result.boots[0].secondBootSeconds = 6
    result.boots[0].complaints = ["BdsDxe: failed to load Boot0001"]
    result.boots[0].variableChanges = ["- BootNext  0001"]
    #expect(
      BootReport.summary(result) == [
        "booted: nixos login: ", "entry: nixos-generation-2.conf", "system: /nix/store/b-nixos",
        "second boot: up after 6.0 s", "note: BdsDxe: failed to load Boot0001", "EFI variables:",
        "  - BootNext  0001", "secure boot: on",
      ])
    result.boots[0].isUp = false
    #expect(BootReport.summary(result)[0] == "did not boot: nixos login: ")
  }

  @Test(arguments: [
    ([], BootChoice.byItself), (["--entry", "x"], .entry("x")), (["--generation", "2"], .generation(2)),
    (["--specialisation", "v"], .generation(nil, specialisation: "v")),
    (
      ["--generation", "2", "--profile", "p", "--specialisation", "v"],
      .generation(2, profile: "p", specialisation: "v")
    ),
  ])
  func flagsChooseABoot(flags: [String], choice: BootChoice) throws {
    #expect(try BootChoiceOptions.parse(flags).choice == choice)
  }

  @Test(arguments: [["--entry", "x", "--generation", "1"], ["--generation", "-1"]])
  func flagsThatContradictEachOtherAreRefused(flags: [String]) {
    #expect(throws: (any Error).self) { try BootChoiceOptions.parse(flags) }
    #expect(throws: (any Error).self) { try VerifyCommand.parse(["r", "--all", "--entry", "x"]) }
  }

  @Test(arguments: [
    ([], BootTrial.comesUp), (["--reboot"], .reboots), (["--must-not-boot"], .doesNotComeUp),
    (["--cut-power-at", "2.5"], .losesPower(.seconds(2.5))),
    (["--cut-power-at", "Starting"], .losesPower(.console("Starting"))),
    (["--cut-power-at", "nan"], .losesPower(.console("nan"))),
  ])
  func flagsSayWhatHappensInABoot(flags: [String], trial: BootTrial) throws {
    #expect(try BootTrialOptions.parse(flags).trial() == trial)
    #expect(throws: (any Error).self) { try BootTrialOptions.parse(["--reboot", "--must-not-boot"]) }
  }
}
