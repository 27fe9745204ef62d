/// The file name of a boot loader entry, with its boot counting (UAPI.1, "Boot counting"): `NAME+LEFT-DONE.conf`, with an
/// optional `-DONE`.
struct EntryName: Hashable {
  /// The name without its counters, which is the entry's identifier.
  var identifier: String
  /// How many attempts are left; nil for an entry that is not counted.
  var triesLeft: UInt64?
  /// How many attempts there were.
  var triesDone: UInt64?

  /// - Parameter suffix: `.conf` or `.efi`.
  /// - Returns: nil for a file with another suffix, which is no entry.
  init?(_ file: String, suffix: String) {
    guard file.lowercased().hasSuffix(suffix), !file.hasPrefix(".") else { return nil }
    identifier = file
    let name = file.dropLast(suffix.utf8.count)
    guard let plus = name.lastIndex(of: "+") else { return }
    let counters = name[name.index(after: plus)...].split(
      separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let numbers = counters.compactMap(Self.number)
    // Anything else is a part of the name.
    guard numbers.count == counters.count, let left = numbers.first else { return }
    identifier = String(name[..<plus]) + file.suffix(suffix.utf8.count)
    triesLeft = left
    triesDone = numbers.count > 1 ? numbers[1] : nil
  }

  private static func number(_ digits: Substring) -> UInt64? {
    digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(digits) : nil
  }

  /// Which generation NixOS's builder made the entry for: `nixos-generation-2.conf`,
  /// `nixos-PROFILE-generation-2-specialisation-NAME.conf`. Newer builders name entries by their content, and this says nil.
  var generation: (profile: String, number: UInt64, specialisation: String?)? {
    guard let dot = identifier.lastIndex(of: "."), identifier.hasPrefix("nixos-") else { return nil }
    let words = identifier[..<dot].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
    guard let place = words.firstIndex(of: "generation"), words.count > place + 1,
      let number = Self.number(words[place + 1][...])
    else { return nil }
    let profile = words[1..<place].joined(separator: "-")
    let rest = words[(place + 2)...]
    let isSpecialised = rest.first == "specialisation" && rest.count > 1
    return (
      profile.isEmpty ? "system" : profile, number,
      isSpecialised ? rest.dropFirst().joined(separator: "-") : nil
    )
  }
}
