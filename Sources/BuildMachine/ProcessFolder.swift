internal import Basics
internal import Command
internal import Foundation
internal import Libvirt
internal import Synchronization
package import SystemPackage

/// The folder in which this process keeps everything that lives as long as its machines: the embedded driver's
/// root and a folder for each session. There is one, since libvirt takes one embedded root in a process's life.
///
/// ```
/// /tmp/slipway-UID/XXXXXXXXXXXXXXXX/   locked by this process while it lives
///   mark         what the environment of every command of this process has
///   libvirt/     root of qemu:///embed
///   leftovers/   links to what else has to go when this process ends
///   1/, 2/, …    sessions
/// ```
package final class ProcessFolder: Sendable {
  private let claim: ClaimedFolder
  private let counter = Mutex(0)
  private let sharedIsTaken = Mutex(false)

  private init(_ claim: ClaimedFolder) {
    self.claim = claim
  }

  var path: FilePath { claim.path }

  var driverRoot: FilePath { path.appending("libvirt") }
  private var leftovers: FilePath { path.appending("leftovers") }

  private static let folder = OneShot<Result<ProcessFolder, Fault>>()
  private static let isStarting = Mutex(false)

  /// This process's folder; made, and put under the watchdog's care, at the first use.
  ///
  /// - Throws: `Fault`.
  static func current() async throws -> ProcessFolder {
    let isFirst = isStarting.withLock { isStarting in
      defer { isStarting = true }
      return !isStarting
    }
    if isFirst {
      // Not the caller's task: others wait for this, and it must not be cancelled with the first.
      Task.detached { folder.set(await make()) }
    }
    return try await folder.get().get()
  }

  /// Has a path removed when this process ends, however it ends. To be called before the path is made.
  ///
  /// - Returns: what takes that back, once the path is gone or has found its place.
  /// - Throws: `Fault`.
  package static func removeAtExit(_ path: FilePath) async throws -> Leftover {
    let folder = try await current()
    let link = folder.leftovers.appending("\(folder.nextNumber())")
    try attempt("note that \(path) is temporary") {
      try Folder.link(link, to: path)
    }
    return Leftover(link: link)
  }

  /// A new folder for one session. It is to be ended by `endSession`.
  ///
  /// One at a time has the shared name; another gets one of its own.
  func makeSession(for configuration: MachineConfiguration) throws -> MachineSession {
    let number = nextNumber()
    let directory = path.appending("\(number)")
    try attempt("make a machine's folder") { try makePrivateFolder(directory) }
    let isShared =
      configuration.isShared
      && sharedIsTaken.withLock { isTaken in
        defer { isTaken = true }
        return !isTaken
      }
    return MachineSession(
      name: isShared
        ? MachineSession.sharedName : "slipway-\(path.lastComponent?.string ?? "")-\(number)",
      uuid: isShared ? MachineSession.sharedUUID : UUID().uuidString.lowercased(), directory: directory,
      consoleLog: configuration.consoleLog ?? directory.appending("console.log"),
      hostCPUs: configuration.hypervisor == .embedded ? HostProcessors.allowed() : "")
  }

  /// Removes the folder of a session, whose machine is gone.
  func endSession(_ session: MachineSession) {
    try? TreeRemover.remove(session.directory)
    if session.isShared { sharedIsTaken.withLock { $0 = false } }
  }

  private func nextNumber() -> Int {
    counter.withLock { counter in
      counter += 1
      return counter
    }
  }

  private static func make() async -> Result<ProcessFolder, Fault> {
    do {
      let base = FilePath("/tmp/slipway-\(geteuid())")
      let folder = try await onThread {
        try attempt("make a folder below \(base)") { try make(below: base) }
      }
      try await Watchdog.start(over: folder.path)
      try attempt("prepare libvirt's embedded driver") { try EmbeddedDriver.prepare(root: folder.driverRoot) }
      await clearStale(below: base)
      return .success(folder)
    } catch let error as Fault {
      return .failure(error)
    } catch {
      return .failure(
        Fault(.hostNotAble, "could not prepare for machines", cause: String(describing: error)))
    }
  }

  /// Makes the folder that all processes of this user share.
  private static func makeBase(_ base: FilePath) throws {
    if mkdir(base.string, 0o700) == 0 { return }
    guard errno == EEXIST else { throw PathFailure("make the folder", base, Errno(rawValue: errno)) }
    // Somebody else may have made it, to have us put our sockets into a folder of his.
    var status = stat()
    guard lstat(base.string, &status) == 0 else {
      throw PathFailure("look at", base, Errno(rawValue: errno))
    }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw Fault(
        .hostNotAble, "could not use the folder \(base)", cause: "it is not a private folder of this user",
        remedy: "Remove it")
    }
  }

  private static func make(below base: FilePath) throws -> ProcessFolder {
    let folder = ProcessFolder(try claim(below: base))
    try makePrivateFolder(folder.leftovers)
    try writeFile(folder.path.appending("mark"), ProcessMark.setting)
    return folder
  }

  private static func claim(below base: FilePath) throws -> ClaimedFolder {
    while true {
      try makeBase(base)
      do throws(PathFailure) {
        return try ClaimedFolder.make(at: base.appending(ClaimedFolder.uniqueName("")), mode: 0o700)
      } catch {
        // A process that was the last one may just have removed the folder.
        guard error.reason == .noSuchFileOrDirectory else { throw error }
      }
    }
  }

  /// Clears the folders whose process is gone: its watchdog was killed too, or the machine lost power.
  static func clearStale(below base: FilePath) async {
    let isOurs = { ClaimedFolder.isUniqueName($0, prefix: "") }
    for folder in ClaimedFolder.abandoned(in: base, where: isOurs) {
      try? await Watchdog.clear(folder.path)
      folder.release()
    }
  }
}

/// A path that is removed when this process ends.
package struct Leftover: Sendable {
  fileprivate let link: FilePath

  /// Takes that back.
  package func dismiss() {
    unlink(link.string)
  }
}

/// Makes a folder that only this user can enter.
func makePrivateFolder(_ path: FilePath) throws(PathFailure) {
  try Folder.make(path, mode: 0o700)
}

/// Makes a file that only this user can read.
func writeFile(_ path: FilePath, _ text: String) throws {
  try WholeFile.write(Array(text.utf8), to: path, mode: 0o600)
}

/// Runs work on the host's files; what goes wrong means that the host is not able, or that it is full.
func attempt<Result>(_ attempt: String, _ body: () throws -> Result) throws(Fault) -> Result {
  do {
    return try body()
  } catch let error as Fault {
    throw error
  } catch let error as PathFailure where error.reason.isLackOfSpace {
    let full = FullFilesystem(of: error.path, reason: error.reason)
    throw Fault(.failed, "could not \(attempt)", cause: full.description, remedy: full.remedy)
  } catch {
    throw Fault(.hostNotAble, "could not \(attempt)", cause: String(describing: error))
  }
}
