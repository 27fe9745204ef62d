internal import Basics
internal import Foundation
internal import ImageBuilder

/// What came of a scenario, for programs and for people.
enum ScenarioReport {
  /// A report that CI systems read: a test case a step.
  static func junit(_ result: ScenarioResult) -> String {
    JUnitReport(
      suite: "slipway test \(result.name)",
      cases: zip(1..., result.steps).map { number, step in
        var failure: String?
        if case .failed(let reason) = step.outcome { failure = reason }
        return .init(
          name: "\(number). \(step.name)", seconds: step.seconds, failure: failure,
          isSkipped: step.outcome == .skipped,
          output: [step.detail].compactMap(\.self) + step.boots.map(\.console))
      }
    ).text
  }

  /// A page that needs no other file.
  static func html(_ result: ScenarioResult) -> String {
    var page = HTMLPage(title: result.name)
    page.add(
      "Steps", titles: ["#", "Step", "Result", "Took", "Detail"],
      zip(1..., result.steps).map { number, step in
        ["\(number)", step.name, word(step.outcome), InspectWords.seconds(step.seconds), detail(step)]
      }
    ) { index in
      if case .failed = result.steps[index].outcome { "failed" } else { nil }
    }
    if let failure = result.failure {
      page.add(
        "Why it failed", [HTML("ul", [("class", "warnings")], failure.lines.map { HTML("li", text: $0) })])
    }
    for (number, step) in zip(1..., result.steps) where !step.boots.isEmpty {
      page.add("\(number). \(step.name)", step.boots.flatMap(html))
    }
    return page.html
  }

  private static func html(_ boot: ScenarioResult.Boot) -> [HTML] {
    let picture = boot.screenshot.map { png in
      HTML(
        "figure", [],
        [
          HTML(
            "img",
            [
              ("src", "data:image/png;base64,\(Data(png).base64EncodedString())"),
              ("alt", "The screen of a boot"),
            ])
        ])
    }
    // Each line by itself, as a line break is a control character to what makes the text fit.
    let lines = boot.console.split(separator: "\n", omittingEmptySubsequences: false)
    let console = lines.flatMap { [HTML(text: String($0)), HTML("br")] }
    return [picture].compactMap(\.self) + [
      HTML(
        "details", [], [HTML("summary", text: "Console (\(lines.count) lines)"), HTML("pre", [], console)])
    ]
  }

  private static func detail(_ step: ScenarioResult.Step) -> String {
    if case .failed(let reason) = step.outcome { return reason }
    return step.detail ?? ""
  }

  private static func word(_ outcome: ScenarioResult.Step.Outcome) -> String {
    switch outcome {
    case .passed: "passed"
    case .failed: "failed"
    case .skipped: "skipped"
    }
  }
}
