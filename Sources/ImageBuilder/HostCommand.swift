internal import Basics
internal import Command
internal import SystemPackage

/// A command of this machine that a build runs, with what its failure means told apart.
struct HostCommand {
  /// What it is for, after "could not".
  let attempt: String
  /// What it writes to, or where it works.
  let place: FilePath
  /// The Debian package that it is in.
  let package: String
  /// Whose turn it is when it fails by itself.
  var kind = Fault.Kind.failed
  /// What to do when it fails for a reason of its own.
  var remedy: String?

  /// Runs commands, and says what a failed one means.
  ///
  /// - Throws: `Fault`.
  @discardableResult
  func run<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
      return try await body()
    } catch let failure as CommandFailure {
      throw error(of: failure)
    }
  }

  private func error(of failure: CommandFailure) -> Fault {
    if failure.isNotFound {
      return Fault(
        .hostNotAble, "could not \(attempt): \(failure.summary)", remedy: "Install \(package)",
        evidence: failure.evidence)
    }
    if let full = FullFilesystem(toldBy: failure, at: place) {
      return Fault(
        .failed, "could not \(attempt): \(full)", remedy: full.remedy, evidence: failure.evidence)
    }
    return Fault(
      kind, "could not \(attempt): \(failure.summary)", remedy: remedy, evidence: failure.evidence)
  }
}

extension FullFilesystem {
  /// What a failed command tells of the filesystem that it wrote to.
  ///
  /// - Returns: nil when neither its words nor the filesystem itself say that it is full.
  init?(toldBy failure: CommandFailure, at place: FilePath) {
    let says = { (reason: Errno) in failure.tail.contains { $0.contains(reason.description) } }
    if says(.diskQuotaExceeded) {
      self.init(of: place, reason: .diskQuotaExceeded)
    } else if says(.noSpace) || Self.isFull(place) {
      self.init(of: place)
    } else {
      return nil
    }
  }
}
