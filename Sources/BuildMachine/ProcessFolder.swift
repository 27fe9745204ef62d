internal import Basics
internal import Foundation
internal import Libvirt
internal import Synchronization
package import SystemPackage

/// The folder in which this process keeps everything that lives as long as its machines: the embedded driver's
/// root and a folder for each session. There is one, since libvirt takes one embedded root in a process's life.
///
/// ```
/// /tmp/slipway-UID/XXXXXXXX/
///   lock         held by this process while it lives
///   libvirt/     root of qemu:///embed
///   leftovers/   links to what else has to go when this process ends
///   1/, 2/, …    sessions
/// ```
package final class ProcessFolder: Sendable {
  let path: FilePath
  private let lock: FileDescriptor
  private let counter = Mutex(0)

  private init(path: FilePath, lock: FileDescriptor) {
    self.path = path
    self.lock = lock
  }

  var driverRoot: FilePath { path.appending("libvirt") }
  private var leftovers: FilePath { path.appending("leftovers") }

  private static let folder = OneShot<Result<ProcessFolder, MachineError>>()
  private static let isStarting = Mutex(false)

  /// This process's folder; made, and put under the watchdog's care, at the first use.
  ///
  /// - Throws: `MachineError`.
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

  /// Has a path removed when this process ends, however it ends.
  ///
  /// - Returns: what takes that back, once the path is gone or has found its place.
  /// - Throws: `MachineError`.
  package static func removeAtExit(_ path: FilePath) async throws -> Leftover {
    let folder = try await current()
    let link = folder.leftovers.appending("\(folder.nextNumber())")
    try attempt("note that \(path) is temporary") {
      try FileManager.default.createSymbolicLink(atPath: link.string, withDestinationPath: path.string)
    }
    return Leftover(link: link)
  }

  /// A new folder for one session.
  func makeSession(for configuration: MachineConfiguration) throws -> MachineSession {
    let number = nextNumber()
    let directory = path.appending("\(number)")
    try attempt("make a machine's folder") { try makePrivateFolder(directory) }
    return MachineSession(
      name: "slipway-\(path.lastComponent?.string ?? "")-\(number)", uuid: UUID().uuidString.lowercased(),
      directory: directory, consoleLog: configuration.consoleLog ?? directory.appending("console.log"),
      hostCPUs: configuration.hypervisor == .embedded ? HostProcessors.allowed() : "")
  }

  private func nextNumber() -> Int {
    counter.withLock { counter in
      counter += 1
      return counter
    }
  }

  private static func make() async -> Result<ProcessFolder, MachineError> {
    do {
      let base = FilePath("/tmp/slipway-\(geteuid())")
      let folder = try await onThread {
        try attempt("make a folder below \(base)") { try make(below: base) }
      }
      try await Watchdog.start(over: folder.path)
      try attempt("prepare libvirt's embedded driver") { try EmbeddedDriver.prepare(root: folder.driverRoot) }
      await clearStale(below: base)
      return .success(folder)
    } catch let error as MachineError {
      return .failure(error)
    } catch {
      return .failure(
        MachineError(.hostNotAble, attempt: "prepare for machines", cause: String(describing: error)))
    }
  }

  /// Makes the folder that all processes of this user share.
  private static func makeBase(_ base: FilePath) throws {
    if mkdir(base.string, 0o700) == 0 { return }
    guard errno == EEXIST else { throw Errno(rawValue: errno) }
    // Somebody else may have made it, to have us put our sockets into a folder of his.
    var status = stat()
    guard lstat(base.string, &status) == 0 else { throw Errno(rawValue: errno) }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw MachineError(
        .hostNotAble, attempt: "use the folder \(base)", cause: "it is not a private folder of this user",
        remedy: "Remove it")
    }
  }

  private static func make(below base: FilePath) throws -> ProcessFolder {
    try makeBase(base)
    let name = String(UInt32.random(in: 0...UInt32.max), radix: 16)
    let path = base.appending(name)
    // Below a name that the search for stale folders passes over until the lock is held.
    let new = base.appending(".\(name)")
    try makePrivateFolder(new)
    let lock = try FileDescriptor.open(
      new.appending("lock"), .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
    guard flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0 else { throw Errno(rawValue: errno) }
    try makePrivateFolder(new.appending("leftovers"))
    guard rename(new.string, path.string) == 0 else { throw Errno(rawValue: errno) }
    return ProcessFolder(path: path, lock: lock)
  }

  /// Clears the folders whose process is gone: its watchdog was killed too, or the machine lost power.
  static func clearStale(below base: FilePath) async {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: base.string)) ?? []
    let folders = names.filter { !$0.hasPrefix(".") }.map { base.appending($0) }
    for folder in folders where isAbandoned(folder) { try? await Watchdog.clear(folder) }
  }

  private static func isAbandoned(_ folder: FilePath) -> Bool {
    let path = folder.appending("lock")
    guard let lock = try? FileDescriptor.open(path, .readWrite, options: .closeOnExec) else { return false }
    defer { try? lock.close() }
    return flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0
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
func makePrivateFolder(_ path: FilePath) throws(Errno) {
  guard mkdir(path.string, 0o700) == 0 else { throw Errno(rawValue: errno) }
}

/// Runs work on the host's files; what goes wrong means that the host is not able.
func attempt<Result>(_ attempt: String, _ body: () throws -> Result) throws(MachineError) -> Result {
  do {
    return try body()
  } catch let error as MachineError {
    throw error
  } catch {
    throw MachineError(.hostNotAble, attempt: attempt, cause: String(describing: error))
  }
}
