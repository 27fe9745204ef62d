/// What the steps that boot have in common.
enum BootFields {
  static let choice = [
    ScenarioField("generation", .number(1...1_000_000), "Boot this generation, for this boot alone."),
    ScenarioField("profile", .text, "Profile of generation. Default: system."),
    ScenarioField(
      "specialisation", .text, "Boot this specialisation, of generation or of what starts by itself."),
    ScenarioField("entry", .text, "Boot this entry, by the name that 'slipway inspect' shows."),
  ]

  static let timeout = ScenarioField(
    "timeout", .number(ScenarioShape.timeLimits), "Seconds after which the boot has failed. Default: 300.")

  static func timeLimit(_ value: YAMLValue) -> Int { value["timeout"]?.number ?? 300 }

  /// - Throws: `ScenarioError` where two things are to boot.
  static func choice(_ value: YAMLValue) throws(ScenarioError) -> BootChoice {
    let specialisation = value["specialisation"]?.text
    let generation = value["generation"]?.number
    if let entry = value["entry"] {
      guard specialisation == nil, generation == nil else {
        throw ScenarioError(
          entry.line, "entry and generation or specialisation both say what is booted",
          remedy: "Leave one of them out")
      }
      return .entry(entry.text)
    }
    guard generation != nil || specialisation != nil else {
      guard let profile = value["profile"] else { return .byItself }
      throw ScenarioError(profile.line, "profile is given without generation", remedy: "Add generation")
    }
    return .generation(
      generation.map { UInt64($0) }, profile: value["profile"]?.text ?? "system",
      specialisation: specialisation)
  }
}

extension BootChoice {
  /// For people, after "boot".
  var text: String {
    switch self {
    case .byItself: "what starts by itself"
    case .entry(let name): "the entry \(name)"
    case .generation(let number, let profile, let specialisation):
      (number.map { "generation \($0)" } ?? "the default generation")
        + (profile == "system" ? "" : " of the profile \(profile)")
        + (specialisation.map { ", specialisation \($0)" } ?? "")
    }
  }
}
