/// Shell commands for a `ConsoleSession`, each of which answers for one named check.
package enum ConsoleChecks {
  /// Defines the function that the others use; to be typed after each login.
  package static let definition = #"""
    check() { if eval "$2"; then echo "$1-is-$((6 * 7))"; else echo "$1-fails"; fi; }
    """#

  /// Answers whether the condition, a shell command, holds.
  package static func check(_ name: String, _ condition: String) -> String {
    precondition(!condition.contains("'"), "the condition is quoted by it")
    return "check \(name) '\(condition)'"
  }

  /// The checks that did not answer that they hold. The console also shows what was typed, so the answer is computed.
  package static func missing(_ names: [String], in shown: String) -> [String] {
    names.filter { !shown.contains("\($0)-is-42") }
  }

  /// Reboots; the loop keeps the old shell from a prompt of its own, also when init ends its children.
  package static let reboot = "reboot; while :; do sleep 1; done"

  /// Is typed last, and then waited for.
  package static let end = "echo session-$((6 * 7))"
  /// What `end` prints.
  package static let ended: ConsoleSession.End = "session-42"
}
