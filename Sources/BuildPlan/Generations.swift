/// The generations of an image: systems of one profile.
public struct Generations: Hashable, Codable, Sendable {
  /// The profile's name: `system`, or that of a further one, as `nixos-rebuild --profile-name` takes it.
  public var profile: String
  /// The toplevels' store paths, in the order of the generations' numbers. The first is generation 1; there is one at least.
  public var systems: [String]
  /// The number of the generation that the profile is at, and that boots by default.
  public var current: Int

  /// The profile of a system that nobody has given another one.
  package static let systemProfile = "system"

  /// Describes generations.
  package init(profile: String = Self.systemProfile, systems: [String], current: Int) {
    self.profile = profile
    self.systems = systems
    self.current = current
  }

  /// Where the profile is in the image, as nixos-rebuild has it.
  package var profilePath: String {
    let profiles = "/nix/var/nix/profiles"
    return profile == Self.systemProfile
      ? "\(profiles)/\(profile)" : "\(profiles)/system-profiles/\(profile)"
  }

  /// The number of a system's generation; nil for a system that is none of them.
  package func number(of system: String) -> Int? {
    systems.firstIndex(of: system).map { $0 + 1 }
  }
}
