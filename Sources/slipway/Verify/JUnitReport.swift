internal import Foundation

/// A JUnit report: one suite of test cases.
struct JUnitReport {
  struct Case {
    var name: String
    var seconds: Double
    /// Why it failed; nil where it passed.
    var failure: String?
    /// Whether it was not run.
    var isSkipped = false
    var output: [String]
  }

  var suite: String
  var cases: [Case]

  /// The document.
  var text: String {
    let failures = cases.count { $0.failure != nil }
    let skipped = cases.count(where: \.isSkipped)
    let seconds = cases.reduce(0) { $0 + $1.seconds }
    var lines = [
      #"<?xml version="1.0" encoding="UTF-8"?>"#,
      #"<testsuites tests="\#(cases.count)" failures="\#(failures)" time="\#(Self.time(seconds))">"#,
      #"  <testsuite name="\#(Self.escaped(suite))" tests="\#(cases.count)" failures="\#(failures)" errors="0" skipped="\#(skipped)" time="\#(Self.time(seconds))">"#,
    ]
    for item in cases {
      lines.append(
        #"    <testcase classname="\#(Self.escaped(suite))" name="\#(Self.escaped(item.name))" time="\#(Self.time(item.seconds))">"#
      )
      if let failure = item.failure {
        lines.append(#"      <failure message="\#(Self.escaped(failure))"/>"#)
      }
      if item.isSkipped { lines.append("      <skipped/>") }
      if !item.output.isEmpty {
        lines.append("      <system-out>\(Self.escaped(item.output.joined(separator: "\n")))</system-out>")
      }
      lines.append("    </testcase>")
    }
    return (lines + ["  </testsuite>", "</testsuites>", ""]).joined(separator: "\n")
  }

  private static func time(_ seconds: Double) -> String {
    seconds.formatted(.number.precision(.fractionLength(3)).grouping(.never).locale(Locale(identifier: "C")))
  }

  /// Text fit for XML 1.0, which has no other control characters than these three.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t", "\r": result.unicodeScalars.append(scalar)
      case _
      where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
        || scalar.value >= 0xfffe && scalar.value <= 0xffff:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
