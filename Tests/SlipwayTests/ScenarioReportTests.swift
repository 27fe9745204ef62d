internal import Basics
internal import TestSupport
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

/// The reports of a scenario. Some of their text is what a hostile guest would print.
@Suite struct ScenarioReportTests {
  private static let result: ScenarioResult = {
    var build = ScenarioResult.Step(key: "build", name: "build the image", line: 3)
    (build.outcome, build.seconds) = (.passed, 12.25)
    var boot = ScenarioResult.Step(key: "boot", name: "boot <what> starts", line: 5)
    (boot.outcome, boot.seconds) = (.failed("'x' did not appear on the console"), 60)
    boot.boots = [.init(console: "line 1\n<script>\u{1b}[31m\u{202e}\u{7}", screenshot: [1, 2, 3])]
    return ScenarioResult(
      name: "a & b", steps: [build, boot, .init(key: "files", name: "look at the files of /boot", line: 9)],
      failure: Fault(.failed, "'x' did not appear on the console", evidence: ["<b>last</b>"]))
  }()

  @Test func junitSaysWhatFailedAndWhatWasSkipped() throws {
    try expectSnapshot(ScenarioReport.junit(Self.result), named: "scenario.xml")
  }

  @Test func thePageHasConsolesAndScreens() throws {
    let page = ScenarioReport.html(Self.result)
    #expect(!page.contains("<script") && !page.contains("\u{1b}") && !page.contains("<b>"))
    try expectSnapshot(page, named: "scenario.html")
  }
}
