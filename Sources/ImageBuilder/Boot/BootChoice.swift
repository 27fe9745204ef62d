internal import Basics

/// What of an image a boot is to start.
public enum BootChoice: Hashable, Sendable {
  /// What starts by itself.
  case byItself
  /// A generation of a profile, or a specialisation of it; without a number, that of the entry that starts by itself.
  case generation(UInt64?, profile: String = "system", specialisation: String? = nil)
  /// A boot entry, by the identifier that `slipway inspect` shows; `.conf` or `.efi` may be left out.
  case entry(String)

  /// Finds the entry in what an image offers.
  ///
  /// - Throws: `Fault` of kind `badInput` when there is no such entry; it says which there are.
  func entry(in report: ImageReport) throws(Fault) -> BootEntryReport? {
    switch self {
    case .byItself: return nil
    case .entry(let name):
      let found = report.entries.first { [name, "\(name).conf", "\(name).efi"].contains($0.identifier) }
      guard let found else {
        let names = report.entries.map(\.identifier)
        throw Fault(
          .badInput, "no boot entry of the image is called '\(name)'",
          remedy: names.isEmpty
            ? "The image has no boot entries" : "It has: \(names.joined(separator: ", "))")
      }
      return found
    case .generation(let number, let profile, let specialisation):
      return try generation(number, profile, specialisation, in: report)
    }
  }

  private func generation(
    _ number: UInt64?, _ profile: String, _ specialisation: String?, in report: ImageReport
  ) throws(Fault) -> BootEntryReport {
    let standard = report.entries.first { $0.isDefault }
    let profile = number == nil ? standard?.profile ?? profile : profile
    guard let number = number ?? standard?.generation else {
      throw Fault(
        .badInput, "it cannot be told which generation of the image starts by itself",
        remedy: "Name one with --generation")
    }
    let ofProfile = report.entries.filter { $0.profile == profile && $0.generation == number }
    if let found = ofProfile.first(where: { $0.specialisation == specialisation }) { return found }
    let what =
      "generation \(number)" + (profile == "system" ? "" : " of the profile \(profile)")
      + (specialisation.map { " with the specialisation \($0)" } ?? "")
    let others =
      ofProfile.isEmpty
      ? report.entries.compactMap { entry in entry.generation.map { "\(entry.profile ?? "system") \($0)" } }
      : ofProfile.compactMap(\.specialisation)
    throw Fault(
      .badInput, "no boot entry of the image starts \(what)",
      remedy: others.isEmpty
        ? "It has none of a generation"
        : "There are: \(others.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ", "))"
    )
  }
}
