/// Keys of a spec that say which generations an image has.
extension ResolvedSpec {
  static func systems(_ spec: ImageSpec) throws(SpecError) -> [String] {
    guard let systems = spec.systems else {
      throw SpecError("system", "no system is given", remedy: "Give the store path of a NixOS toplevel")
    }
    guard !systems.isEmpty else {
      throw SpecError(
        "systems", "the list is empty", remedy: "Give the store path of a NixOS toplevel for each generation")
    }
    return systems
  }

  static func currentGeneration(_ wanted: Int?, of systems: [String]) throws(SpecError) -> Int {
    guard let wanted else { return systems.count }
    guard (1...systems.count).contains(wanted) else {
      throw SpecError(
        "currentGeneration",
        "there is no generation \(wanted): \(systems.count) \(systems.count == 1 ? "system is" : "systems are") given",
        remedy: "Use \(systems.count == 1 ? "1" : "1 to \(systems.count)"), or leave it out for the last one")
    }
    return wanted
  }

  /// Bootloaders' programs make entries of the profiles with such names alone: GRUB's looks for words, and systemd-boot's takes what
  /// ends with `-link` for a generation.
  static func profile(_ name: String) throws(SpecError) -> String {
    let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    guard !name.isEmpty, name.utf8.count <= 100, name.allSatisfy(letters.contains) else {
      throw SpecError(
        "profile", "bootloaders make no entries for a profile of the name '\(name)'",
        remedy: "Use letters, digits and '_', 100 at most")
    }
    return name
  }
}
