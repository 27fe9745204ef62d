internal import Appliance
internal import Basics
internal import BuildMachine
internal import Foundation
internal import SystemPackage

/// What builds keep for the builds after them, in the user's cache.
public struct BuildCache: Sendable {
  /// One thing that is kept.
  public struct Entry: Hashable, Sendable {
    /// What is kept.
    public enum Kind: String, Sendable {
      /// A kernel and an initramfs that carry the agent.
      case appliance
      /// The state of a machine that has booted one.
      case machine
    }

    /// What it is.
    public var kind: Kind
    /// The digest of what it was made of.
    public var name: String
    /// What it takes, in bytes.
    public var size: UInt64
    /// When a build used it last, in seconds since 1970.
    public var used: Int64
  }

  private let appliances: FilePath?
  private let machines: SavedMachines?

  /// The user's cache.
  public init() {
    appliances = ApplianceBuilder.defaultCache()
    machines = SavedMachines.ofUser()
  }

  /// All there is, each kind by the time of its last use, the latest first.
  public var entries: [Entry] {
    (appliances.map(KeptFolder.all) ?? []).map { Entry(.appliance, $0) }
      + (machines?.list() ?? []).map { Entry(.machine, $0) }
  }

  /// Removes what no build has used for so many days.
  ///
  /// - Returns: what is removed.
  public func prune(unusedForDays days: Int) -> [Entry] {
    let before = entries
    let seconds = Double(days) * 86_400
    if let appliances { ApplianceBuilder.removeUnused(for: seconds, in: appliances) }
    machines?.removeUnused(for: seconds)
    let left = Set(entries)
    return before.filter { !left.contains($0) }
  }
}

extension BuildCache.Entry {
  fileprivate init(_ kind: Kind, _ folder: KeptFolder) {
    self.init(kind: kind, name: folder.digest, size: folder.size, used: folder.used)
  }
}
