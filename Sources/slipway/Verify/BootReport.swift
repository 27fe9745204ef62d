internal import Basics
internal import Foundation
internal import ImageBuilder

/// The boots of a verification for people and for programs.
enum BootReport {
  /// A line a boot, under a line of headings.
  static func table(_ result: VerifyResult) -> [String] {
    let rows =
      [["ENTRY", "GENERATION", "SECONDS", "RESULT", "BOOTED"]]
      + result.boots.map { boot in
        [
          boot.entry?.identifier ?? "", boot.generation, seconds(boot),
          boot.failure == nil ? "passed" : "failed", boot.booted?.system ?? boot.failure ?? boot.token ?? "",
        ]
      }
    let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      (row.indices.map {
        $0 < 4 ? row[$0].padding(toLength: widths[$0], withPad: " ", startingAt: 0) : row[$0]
      })
      .joined(separator: "  ")
    }
  }

  /// The only boot.
  static func summary(_ result: VerifyResult) -> [String] {
    guard let boot = result.boots.first else { return [] }
    var lines = ["\(boot.isUp ? "booted" : "did not boot"): \(boot.token ?? "")"]
    if let entry = boot.entry { lines.append("entry: \(entry.identifier)") }
    if let system = boot.booted?.system { lines.append("system: \(system)") }
    if let seconds = boot.secondBootSeconds {
      lines.append("second boot: up after \(ProgressText.precise(seconds))")
    }
    lines += boot.complaints.map { "note: \($0)" }
    if let changes = boot.variableChanges {
      lines +=
        changes.isEmpty ? ["EFI variables: none changed"] : ["EFI variables:"] + changes.map { "  \($0)" }
    }
    return lines + (result.enforcesSecureBoot ? ["secure boot: on"] : [])
  }

  /// All of it, as sorted, indented JSON.
  static func json(_ result: VerifyResult) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(result), as: UTF8.self) + "\n"
  }

  /// A report that CI systems read: a test case a boot (the schema of Apache Ant's JUnit task, as Jenkins and GitLab take it).
  static func junit(_ result: VerifyResult, of name: String) -> String {
    JUnitReport(
      suite: "slipway verify \(name)",
      cases: result.boots.map { boot in
        .init(
          name: boot.entry.map { "\($0.identifier) (\($0.title))" } ?? "what starts by itself",
          seconds: (boot.seconds ?? 0) + (boot.secondBootSeconds ?? 0), failure: boot.failure,
          output: [boot.token, boot.booted?.system, boot.booted?.commandLine].compactMap(\.self)
            + boot.complaints)
      }
    ).text
  }

  private static func seconds(_ boot: BootResult) -> String {
    boot.seconds.map { ProgressText.precise($0) } ?? ""
  }
}

extension BootResult {
  /// Its generation for people: `2`, `2 (verbose)`, `test 2`.
  fileprivate var generation: String {
    guard let entry, let number = entry.generation else { return "" }
    let profile = entry.profile.map { $0 == "system" ? "" : "\($0) " } ?? ""
    return "\(profile)\(number)" + (entry.specialisation.map { " (\($0))" } ?? "")
  }
}
