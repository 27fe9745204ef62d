internal import Basics
internal import Foundation

/// What is known about a guest besides what its agent says. Says why an agent has gone quiet.
struct GuestWitness: Sendable {
  /// How the machine ended, waiting at most this long for that; nil when it runs.
  var end: @Sendable (Duration) async -> MachineEnd?
  /// A disk error of the host's, if there was one.
  var diskFault: @Sendable () -> DiskFault?
  /// The guest's last lines.
  var lastLines: @Sendable () -> [String]

  /// How long a lost channel waits for the reason to become known.
  private static let patience = Duration.seconds(2)

  /// The error for an agent that is lost, once the reason for that is known. The real cause comes first: the host's,
  /// then the guest's, then what was seen on the channel.
  func error(attempt: String, seen: String) async -> Fault {
    error(attempt: attempt, cause: seen, end: await end(Self.patience))
  }

  /// The error for an agent that is given up. What happens from now on is not its cause, so nothing is waited for.
  func errorNow(attempt: String, cause: String) async -> Fault {
    error(attempt: attempt, cause: cause, end: await end(.zero))
  }

  private func error(attempt: String, cause: String, end: MachineEnd?) -> Fault {
    let fault = diskFault()
    let lines = lastLines()
    let ownWords = end == .shutDown ? Self.agentsReason(lines) : nil
    return Fault(
      .failed, "could not \(attempt)", cause: fault?.description ?? ownWords ?? end?.description ?? cause,
      remedy: fault.map(\.remedy) ?? end?.remedy, evidence: lines)
  }

  /// Why the agent ended its guest, as it says on the console, which is all that it has before it reaches its host.
  private static func agentsReason(_ lines: [String]) -> String? {
    func said(_ sign: String) -> String? {
      lines.lazy.compactMap { line in line.range(of: sign).map { String(line[$0.upperBound...]) } }.first
    }
    guard let fatal = said("slipway-agent: fatal: ") else { return nil }
    let before = said("slipway-agent: cannot ").map { "; before that it could not \($0)" } ?? ""
    return "the agent ended the guest: \(fatal)\(before)"
  }
}
