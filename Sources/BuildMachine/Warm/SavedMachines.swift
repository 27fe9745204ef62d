package import Basics
internal import Foundation
package import SystemPackage

/// The machines that were saved, each in a folder named by the digest of its key.
///
/// A folder is made under a temporary name and renamed, so that it is complete or absent, whoever else builds at the same
/// time. It holds `state.zst`, what libvirt saved, and `machine.json` with the key and the state's digest. The state is
/// compared with its digest whenever it is restored; what is not whole counts as absent, and is removed.
package struct SavedMachines: Sendable {
  /// Raised when the same machine would be saved in another form.
  static let formatVersion = 1
  /// What all saved machines may take together, in bytes; those that were used last are kept. One takes some 70 MB.
  package static let sizeLimit: UInt64 = 2 << 30
  private static let newPrefix = ".new-"

  /// The folder of all of them; made when something is saved.
  package let folder: FilePath

  package init(folder: FilePath) {
    self.folder = folder
  }

  /// Those of this process's user; nil where nothing can be kept.
  package static func ofUser(_ folders: XDGFolders = .current) -> SavedMachines? {
    folders.cache.map { SavedMachines(folder: FilePath($0).appending("slipway/warm")) }
  }

  /// What there is for a key.
  package enum Finding: Hashable, Sendable {
    case found(SavedMachine)
    case none
    /// There was something that is no saved machine of this key, for this reason. It is removed.
    case damaged(String)
  }

  /// Looks for the machine of a key; it then counts as used. Its state is not read yet.
  package func find(_ key: StartKey) -> Finding {
    let place = folder.appending(key.digest)
    guard (try? FileStatus(of: place, followingLinks: false)) != nil else { return .none }
    do {
      let machine = try SavedMachine(in: place, of: key)
      _ = place.withPlatformString { utimensat(AT_FDCWD, $0, nil, 0) }
      return .found(machine)
    } catch {
      try? TreeRemover.remove(place)
      return .damaged(error.reason)
    }
  }

  /// A place for the state of a new machine.
  ///
  /// - Parameter room: what the state may take before it is packed, in bytes.
  /// - Throws: `Fault` when there is no room for it, or no place at all.
  package func draft(_ key: StartKey, room: UInt64) async throws -> SavedMachineDraft {
    let (folder, path) = (folder, folder.appending(ClaimedFolder.uniqueName(Self.newPrefix)))
    try attempt("make a folder for saved machines") {
      try Folder.makeAll(folder)
      ClaimedFolder.removeAbandoned(in: folder) { ClaimedFolder.isUniqueName($0, prefix: Self.newPrefix) }
    }
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.string)
    if let free = (attributes?[.systemFreeSize] as? NSNumber)?.uint64Value, free < room {
      throw Fault(.failed, "there is no room for it in \(folder)")
    }
    let leftover = try await ProcessFolder.removeAtExit(path)
    let claim = try attempt("make \(path)") { try ClaimedFolder.make(at: path, mode: 0o700) }
    return SavedMachineDraft(
      key: key, claim: claim, leftover: leftover, place: folder.appending(key.digest), machines: self)
  }

  /// All there are, those that were used last first.
  package func list() -> [KeptFolder] { KeptFolder.all(in: folder) }

  /// Removes what nobody has used for so many seconds.
  package func removeUnused(for seconds: Double) {
    for entry in list() where Date().timeIntervalSince1970 - Double(entry.used) >= seconds {
      try? TreeRemover.remove(entry.path)
    }
  }

  /// Removes those that were used longest ago, until the rest takes no more than the limit.
  ///
  /// - Returns: what is removed.
  @discardableResult
  package func prune(limit: UInt64 = Self.sizeLimit) -> [KeptFolder] {
    var size: UInt64 = 0
    let surplus = list().drop { entry in
      size += entry.size
      return size <= limit
    }
    return surplus.filter { (try? TreeRemover.remove($0.path)) != nil }
  }
}

/// A machine that is being saved. It ends by `publish` or `abandon`.
package struct SavedMachineDraft: Sendable {
  let key: StartKey
  fileprivate let claim: ClaimedFolder
  fileprivate let leftover: Leftover
  fileprivate let place: FilePath
  fileprivate let machines: SavedMachines

  /// Where libvirt writes the state.
  var memory: FilePath { claim.path.appending("state") }

  /// Packs the state, and gives it its place. Another build that was faster has served as well.
  ///
  /// - Throws: `Fault`, `CommandFailure`, `CancellationError`. Nothing is left then.
  package func publish() async throws {
    defer { abandon() }
    try await SavedMachine.pack(in: claim.path, of: key)
    do throws(PathFailure) {
      try Folder.move(claim.path, to: place)
    } catch  where error.reason == .directoryNotEmpty || error.reason == .fileExists {
      return
    } catch {
      throw Fault(error)
    }
    machines.prune()
  }

  /// Leaves nothing of it, unless it is published.
  package func abandon() {
    try? TreeRemover.remove(claim.path)
    leftover.dismiss()
    claim.release()
  }
}

/// A folder of a cache, which is named by a digest.
package struct KeptFolder: Hashable, Sendable {
  package var digest: String
  package var path: FilePath
  /// What its files take, in bytes.
  package var size: UInt64
  /// When it was used last, in seconds since 1970.
  package var used: Int64

  /// Those of a cache, those that were used last first.
  package static func all(in folder: FilePath) -> [KeptFolder] {
    let names = ((try? Folder.names(in: folder)) ?? []).compactMap { String(validating: $0, as: UTF8.self) }
    let kept = names.filter { !$0.contains(".") }.compactMap { name -> KeptFolder? in
      let path = folder.appending(name)
      guard let used = try? path.stat().st_mtim.tv_sec else { return nil }
      let files = ((try? Folder.names(in: path)) ?? []).map { path.appending(bytes: $0) }
      let size = files.reduce(UInt64(0)) { $0 + ((try? FileStatus(of: $1))?.size ?? 0) }
      return KeptFolder(digest: name, path: path, size: size, used: Int64(used))
    }
    return kept.sorted { ($0.used, $0.digest) > ($1.used, $1.digest) }
  }
}
