internal import BuildPlan
internal import Foundation
internal import TestSupport
internal import Testing

@testable internal import slipway

/// Plans for people: those whose JSON is a golden file, too.
@Suite struct PlanTextTests {
  private func plan(_ name: String) throws -> BuildPlan {
    let file = TestSystem.repository("Tests/BuildPlanTests/Snapshots/\(name).json")
    return try JSONDecoder().decode(BuildPlan.self, from: Data(contentsOf: URL(filePath: file)))
  }

  @Test(arguments: ["plan-efi-ext4", "plan-efi-f2fs-swap-data-4096", "plan-efi-generations"])
  func aPlanIsShownInLines(name: String) throws {
    try expectSnapshot(PlanText.text(plan(name)), named: "\(name).txt")
  }

  @Test func scriptsAndKeysAreNamedAndNotShown() throws {
    var plan = try plan("plan-efi-ext4")
    plan.preVM = "secret-1"
    plan.postVM = "secret-2"
    plan.secureBoot = SecureBootSpec(
      pk: "/k/pk.pem", kek: ["/k/kek.pem"], db: ["/k/db.pem"],
      sign: SigningSpec(key: "/k/sign.key", cert: "/k/sign.pem"))
    let text = try PlanText.text(plan)
    #expect(text.contains("\nhooks     preVM, postVM\n"))
    #expect(
      text.contains(
        "\nenrol     /k/pk.pem, /k/kek.pem, /k/db.pem; the system signs with the key of this host\n"))
    #expect(!text.contains("secret") && !text.contains("sign.key"))
  }

  @Test func aFurtherProfileIsNamed() throws {
    var plan = try plan("plan-efi-ext4")
    plan.generations?.profile = "test"
    #expect(try PlanText.text(plan).contains("\nprofile   test\ndisk "))
  }

  @Test func aPlanForABIOSAndOneWithoutAMachineSaySo() throws {
    var plan = try plan("plan-efi-ext4")
    plan.machine?.firmware = nil
    #expect(try PlanText.text(plan).contains("\nfirmware  BIOS\n"))
    #expect(try !PlanText.text(plan).contains("variables "))
    plan.machine = nil
    let text = try PlanText.text(plan)
    #expect(!text.contains("machine") && !text.contains("steps"))
  }
}
