internal import Basics
internal import CLinux
internal import Glibc
internal import ImageModel
internal import SystemPackage

extension StepContext {
  /// Adds what is in the store of a source, and puts the source's Nix database in the place of the root's.
  func addStorePaths(from source: BlockDevice, type: FilesystemKind, workers: Int) async throws {
    try await withSource(source, type: type) { place, progress in
      try await StoreAddition(root: root).run(from: place, workers: workers, progress: progress)
    }
  }
}

/// Puts a source's store paths and database into a root. Each is whole beside its place, and on the disk, before it is moved
/// there, and the paths are on the disk before a database says that they are valid.
struct StoreAddition {
  /// Where the root is mounted.
  let root: String

  private var store: String { "\(root)/nix/store" }
  private var database: String { "\(root)/nix/var/nix/db" }
  /// Beside the paths, as a rename does not leave its filesystem. Nix's garbage collector removes what a power cut leaves of it.
  private var newPaths: String { "\(store)/.slipway-new" }
  private var newDatabase: String { "\(root)/nix/var/nix/.slipway-db" }

  /// - Parameter place: where the source is mounted.
  func run(from place: String, workers: Int, progress: CopyProgress) async throws {
    try await copy("\(place)/nix/store", to: newPaths, workers, progress)
    try await onThread {
      for name in try Files.names(in: newPaths) { try put("\(newPaths)/\(name)", at: "\(store)/\(name)") }
      // What was there without being valid.
      try TreeRemover.remove(FilePath(newPaths))
    }
    try await copy("\(place)/nix/var/nix/db", to: newDatabase, workers, progress)
    try await onThread {
      // With its log, which would be taken for that of the new one.
      try put(newDatabase, at: database)
      try TreeRemover.remove(FilePath(newDatabase))
    }
  }

  /// Copies a folder, and has all of it on the disk.
  private func copy(
    _ source: String, to destination: String, _ workers: Int, _ progress: CopyProgress
  ) async throws {
    try await onThread {
      try TreeRemover.remove(FilePath(destination))
      try Files.makeDirectory(destination, mode: 0o700)
    }
    try await TreeCopy(from: source, to: destination, progress: progress).run(workers: workers)
    try await onThread { try writeBack(root) }
  }

  /// Moves a file or folder to its place, on the disk as well. What is there comes to be where it was.
  private func put(_ new: String, at place: String) throws {
    if Files.exists(place) {
      try checked("exchange \(place) with \(new)") { slipway_exchange(AT_FDCWD, new, place) }
    } else {
      try checked("move \(new) to \(place)") { rename(new, place) }
    }
  }
}
