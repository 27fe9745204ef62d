internal import Basics

/// Reads a serial console as it grows, and decides whether the system is up. Pure.
struct BootVerdict {
  /// What the console shows so far.
  enum Verdict: Hashable {
    /// Neither up nor lost.
    case open
    /// The line with the expected text, as it stands on the console. A guest writes it: it is fit for a terminal.
    case up(String)
    /// Why this boot can no longer succeed.
    case lost(String)
  }

  /// What a lost boot prints, and what it means.
  private static let losses = [
    ("Kernel panic - not syncing", "the kernel panicked"),
    ("You are in emergency mode", "the system stopped in an emergency shell"),
    ("You are in rescue mode", "the system stopped in a rescue shell"),
    ("Entering emergency mode", "the initrd stopped in an emergency shell"),
    ("An error occurred in stage 1 of the boot process", "the initrd could not find its root"),
    ("BdsDxe: No bootable option or device was found", "the firmware found nothing to boot"),
    ("UEFI Interactive Shell v", "the firmware found nothing to boot and started its shell"),
    ("Press any key to enter the Boot Manager Menu", "the firmware found nothing to boot"),
    (Architecture.current.firmwareCrash, "the firmware or a boot loader crashed"),
  ]

  /// What firmware, boot loaders and the kernel's stub say of something that they cannot start.
  private static let complaintSigns = [
    "BdsDxe: failed to ", "Error loading ", "Error opening ", "Error preparing ", "Failed to execute ",
    "LoadImage failed", "EFI stub: ERROR", "error: file ", "error: no such ", "error: invalid ",
    "error: disk ", "error: you need to load the kernel first", "VFS: Unable to mount root",
  ]

  /// What the firmware says when it starts an entry of its own.
  private static let start = "BdsDxe: starting "

  /// A loader that Secure Boot does not let start.
  private static let refusal = ": Access Denied"

  /// How much of what was read before is looked at again, in characters: a text may arrive in pieces.
  private static let overlap = 4096

  private let expected: Regex<AnyRegexOutput>
  private let console = ConsoleText()
  private var text = ""
  /// What was said on the way of what did not start, each line once, in its order, escaped.
  private(set) var complaints: [String] = []
  /// The entry of its own that the firmware started last, as it says it, escaped; nil for none yet.
  private(set) var started: String?

  /// - Parameter option: where the expression was given.
  /// - Throws: `Fault` when `expect` is not a regular expression.
  init(expect: String, option: String = "--expect") throws {
    do {
      // By scalars, as a person who greps would: a combining mark behind the text hides nothing, and it is fast.
      expected = try Regex(expect).matchingSemantics(.unicodeScalar)
    } catch {
      throw Fault(
        .badInput, "\(option) '\(expect)' is not a regular expression: \(error)", remedy: "Mend its syntax")
    }
  }

  /// Takes the next piece of the console.
  ///
  /// The loss comes first: a panic's backtrace may hold anything, even the expected text.
  mutating func read(_ piece: String) -> Verdict {
    text = text.suffix(Self.overlap) + console.plain(piece)
    noteLines()
    for (sign, reason) in Self.losses where text.utf8.contains(sign.utf8) {
      // What the firmware says when it starts no loader does not say why; what it said of each says it.
      let refused = text.split(separator: "\n").first { $0.utf8.contains(Self.refusal.utf8) }
      if let refused, reason.hasPrefix("the firmware found nothing") {
        return .lost(
          "the firmware refused what it found, for want of a signature that it knows: \(Self.shown(refused))")
      }
      let line = Self.shown(text.split(separator: "\n").last { $0.utf8.contains(sign.utf8) } ?? "")
      // The end of a boot is often far from its cause, which was said first.
      let before = complaints.first { $0 != line }.map { "; before that: \($0)" } ?? ""
      return .lost("\(reason): \(line)\(before)")
    }
    guard let match = text.firstMatch(of: expected) else { return .open }
    // The whole line says more than what matched: "nixos login:".
    let start = text[..<match.range.lowerBound].lastIndex(of: "\n").map(text.index(after:)) ?? text.startIndex
    let lines = text[start..<match.range.upperBound].split(separator: "\n").joined(separator: " ")
    return .up(Self.shown(lines))
  }

  private mutating func noteLines() {
    // A line that is not over may not have all of its words.
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      if let start = line.firstRange(of: Self.start) { started = Self.shown(line[start.upperBound...]) }
      guard complaints.count < Self.mostComplaints,
        Self.complaintSigns.contains(where: { line.utf8.contains($0.utf8) })
      else { continue }
      let shown = Self.shown(line)
      if !complaints.contains(shown) { complaints.append(shown) }
    }
  }

  private static let mostComplaints = 20

  /// What a guest wrote, as it leaves this module.
  private static func shown(_ line: some StringProtocol) -> String {
    String(TerminalText.escaped(String(line)).prefix(longestShown))
  }

  private static let longestShown = 500
}
