/// What is known about a guest besides what its agent says. Says why an agent has gone quiet.
struct GuestWitness: Sendable {
  /// How the machine ended, waiting at most this long for that; nil when it runs.
  var end: @Sendable (Duration) async -> MachineEnd?
  /// A disk error of the host's, if there was one.
  var diskError: @Sendable () -> String?
  /// The guest's last lines.
  var lastLines: @Sendable () -> [String]

  /// How long a lost channel waits for the reason to become known.
  private static let patience = Duration.seconds(2)

  /// The error for an agent that is lost. The real cause comes first: the host's, then the guest's, then what was
  /// seen on the channel.
  func error(attempt: String, seen: String, remedy: String? = nil) async -> MachineError {
    let end = await end(Self.patience)
    return MachineError(
      .failed, attempt: attempt, cause: diskError() ?? end?.description ?? seen,
      remedy: end?.remedy ?? remedy, evidence: lastLines())
  }
}
