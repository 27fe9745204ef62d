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

  /// A loader that Secure Boot does not let start.
  private static let refusal = ": Access Denied"

  /// How much of what was read before is looked at again, in characters: a text may arrive in pieces.
  private static let overlap = 4096

  private let expected: Regex<AnyRegexOutput>
  private let controlSequence: Regex<Substring>
  private var text = ""

  /// - Throws: `Fault` when `expect` is not a regular expression.
  init(expect: String) throws {
    do {
      // By scalars, as a person who greps would: a combining mark behind the text hides nothing, and it is fast.
      expected = try Regex(expect).matchingSemantics(.unicodeScalar)
    } catch {
      throw Fault(
        .badInput, "--expect '\(expect)' is not a regular expression: \(error)", remedy: "Mend its syntax")
    }
    controlSequence = /\u{1b}(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78Mc])/
  }

  /// Takes the next piece of the console.
  ///
  /// The loss comes first: a panic's backtrace may hold anything, even the expected text.
  mutating func read(_ piece: String) -> Verdict {
    text = text.suffix(Self.overlap) + plain(piece)
    for (sign, reason) in Self.losses where text.utf8.contains(sign.utf8) {
      // What the firmware says when it starts no loader does not say why; what it said of each says it.
      let refused = text.split(separator: "\n").first { $0.utf8.contains(Self.refusal.utf8) }
      if let refused, reason.hasPrefix("the firmware found nothing") {
        return .lost(
          "the firmware refused what it found, for want of a signature that it knows: \(Self.shown(refused))")
      }
      let line = text.split(separator: "\n").last { $0.utf8.contains(sign.utf8) }
      return .lost("\(reason): \(Self.shown(line ?? ""))")
    }
    guard let match = text.firstMatch(of: expected) else { return .open }
    // The whole line says more than what matched: "nixos login:".
    let start = text[..<match.range.lowerBound].lastIndex(of: "\n").map(text.index(after:)) ?? text.startIndex
    let lines = text[start..<match.range.upperBound].split(separator: "\n").joined(separator: " ")
    return .up(Self.shown(lines))
  }

  /// What a guest wrote, as it leaves this module.
  private static func shown(_ line: some StringProtocol) -> String {
    String(TerminalText.escaped(String(line)).prefix(longestShown))
  }

  private static let longestShown = 500

  /// Without terminal control sequences (ECMA-48), which firmware and systemd put between words.
  private func plain(_ piece: String) -> String {
    let words = piece.utf8.contains(0x1B) ? piece.replacing(controlSequence, with: "") : piece
    // By scalars: to Swift "\r\n" is one character, which is neither of the two.
    let scalars = words.unicodeScalars.filter { $0 != "\r" }
    return String(String.UnicodeScalarView(scalars))
  }
}
