internal import AgentProtocol
internal import Basics
internal import Dispatch
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Copies a tree into an empty directory with several threads: contents, owners, modes, modification times,
/// hard links, extended attributes and holes.
///
/// The unit of work is a directory. Its worker makes all its entries, the empty subdirectories too, then sets
/// its time, which nothing changes later; so no second pass is needed. Nothing of the tree is held in memory
/// but the directories still to do and the files with several links. Each directory is copied in the order of
/// its sorted names.
final class TreeCopy: Sendable {
  private struct State {
    /// Directories to do, the next one last, and how many are to do or under way.
    var waiting: [RawPath] = [.empty]
    var unfinished = 1
    var failure: (any Error)?
    /// The first copy of each file with several links, by its inode.
    var firstLinks: [ino_t: RawPath] = [:]
  }

  private let source: String
  private let destination: String
  private let leftOut: Set<String>
  private let progress: CopyProgress
  private let state = Mutex(State())
  /// Counts the directories in `waiting`; when all is done or one has failed, counts up once for each worker.
  private let work = DispatchSemaphore(value: 1)

  /// - Parameters:
  ///   - source: the tree to copy.
  ///   - destination: a directory that has none of the tree's entries.
  ///   - leftOut: entries of the tree's root that are not copied.
  init(from source: String, to destination: String, without leftOut: Set<String> = [], progress: CopyProgress)
  {
    self.source = source
    self.destination = destination
    self.leftOut = leftOut
    self.progress = progress
  }

  /// Copies the tree. May be called once.
  ///
  /// - Throws: `SystemFailure` or `StepFailure`, the first there was.
  func run(workers: Int) async throws {
    let count = max(workers, 1)
    try await withThrowingTaskGroup { group in
      for _ in 0..<count {
        group.addTask { try await onThread { try self.work(workers: count) } }
      }
      try await group.waitForAll()
    }
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  private func work(workers: Int) throws {
    func stopAll() {
      for _ in 0..<workers { work.signal() }
    }
    let worker: Worker
    do {
      worker = try Worker(source: source, destination: destination)
    } catch {
      state.withLock { if $0.failure == nil { $0.failure = error } }
      return stopAll()
    }
    defer { worker.close() }
    while true {
      work.wait()
      guard let path = state.withLock({ $0.failure == nil ? $0.waiting.popLast() : nil }) else { return }
      do {
        let found = try copyDirectory(path, worker)
        let isLast = state.withLock { state in
          // Last in, first out, so the memory stays small; reversed, so the order stays that of the names.
          state.waiting += found.reversed()
          state.unfinished += found.count - 1
          return state.unfinished == 0
        }
        for _ in found { work.signal() }
        if isLast { return stopAll() }
      } catch {
        state.withLock { if $0.failure == nil { $0.failure = error } }
        return stopAll()
      }
    }
  }

  /// Copies a directory without what is in its subdirectories.
  ///
  /// - Returns: the subdirectories, sorted.
  private func copyDirectory(_ path: RawPath, _ worker: Worker) throws -> [RawPath] {
    let from = try worker.source.openDirectory(path)
    defer { close(from.descriptor) }
    let to = try worker.destination.openDirectory(path)
    defer { close(to.descriptor) }
    var subdirectories: [RawPath] = []
    for name in try from.sortedNames() where path != .empty || !leftOut.contains(name.description) {
      let status = try from.status(of: name)
      switch status.st_mode & S_IFMT {
      case S_IFREG:
        try copyFile(path.appending(name), name, status, from, to, worker)
      case S_IFDIR:
        try to.makeDirectory(name)
        subdirectories.append(path.appending(name))
      case S_IFLNK:
        try to.makeLink(name, to: from.destination(ofLink: name), like: status)
      default:
        throw StepFailure(
          message:
            "'\(from.path(of: name))' is neither a file, a directory nor a link; there is nothing else in a root before its first start"
        )
      }
    }
    try copyAttributes(from: from.descriptor, to: to.descriptor, name: from.path)
    try setOwnerModeAndTime(of: to.descriptor, from: try from.status(), name: to.path)
    return subdirectories
  }

  private func copyFile(
    _ path: RawPath, _ name: RawPath, _ status: stat, _ from: OpenDirectory, _ to: OpenDirectory,
    _ worker: Worker
  ) throws {
    let output: Int32
    if status.st_nlink > 1 {
      // Made under the lock: a worker that meets another link of the file finds either nothing, or a file to
      // link to.
      let made: Int32? = try state.withLock { state throws(SystemFailure) in
        if let first = state.firstLinks[status.st_ino], try to.makeHardLink(name, to: first) { return nil }
        let made = try to.createFile(name, mode: status.st_mode)
        state.firstLinks[status.st_ino] = path
        return made
      }
      guard let made else { return }
      output = made
    } else {
      output = try to.createFile(name, mode: status.st_mode)
    }
    defer { close(output) }
    try FileCopy(name: name, status: status, from: from, to: to, output: output)
      .run(buffer: worker.buffer) { progress.add($0) }
  }
}

/// What a worker does not share: its descriptors of the two roots, and its buffer.
private struct Worker {
  let source: OpenDirectory
  let destination: OpenDirectory
  let buffer = CopyBuffer()

  init(source: String, destination: String) throws(SystemFailure) {
    let opened = try OpenDirectory(root: source)
    do {
      self.destination = try OpenDirectory(root: destination)
    } catch {
      Glibc.close(opened.descriptor)
      throw error
    }
    self.source = opened
  }

  func close() {
    Glibc.close(source.descriptor)
    Glibc.close(destination.descriptor)
  }
}
