/// What a verification saw.
public struct VerifyResult: Hashable, Codable, Sendable {
  /// The boots, in the order of the boot menu.
  public var boots: [BootResult]
  /// Whether the firmware starts nothing that it has no signature for.
  public var enforcesSecureBoot: Bool

  /// Whether every boot was as it had to be.
  public var isPassed: Bool { boots.allSatisfy { $0.failure == nil } }
}

/// One boot of a verification.
public struct BootResult: Hashable, Codable, Sendable {
  /// What was booted; nil for what starts by itself.
  public var entry: Entry?
  /// Why it was not as it had to be; nil where it was.
  public var failure: String?
  /// Whether the system came up, at the last start.
  public var isUp = false
  /// The expected text as it stood on the console; for a boot that must fail, why it failed.
  public var token: String?
  /// What the booted system says of itself; nil where nobody looked.
  public var booted: BootedSystem?
  /// Seconds from the start of the machine until that was decided; nil where it never was.
  public var seconds: Double?
  /// Seconds of the second boot, after a reboot or a power cut.
  public var secondBootSeconds: Double?
  /// What firmware and boot loaders said of what they could not start.
  public var complaints: [String]
  /// What the boots changed in the EFI variable store, a line a variable; nil where that was not looked at.
  public var variableChanges: [String]?

  init(entry: Entry? = nil, failure: String? = nil, complaints: [String] = []) {
    (self.entry, self.failure, self.complaints) = (entry, failure, complaints)
  }

  /// A boot entry.
  public struct Entry: Hashable, Codable, Sendable {
    /// What names it.
    public var identifier: String
    /// What the menu shows.
    public var title: String
    /// The profile of its generation.
    public var profile: String?
    /// The generation that it starts.
    public var generation: UInt64?
    /// The specialisation of it.
    public var specialisation: String?

    init(_ report: BootEntryReport) {
      (identifier, title) = (report.identifier, report.title)
      (profile, generation, specialisation) = (report.profile, report.generation, report.specialisation)
    }
  }
}
