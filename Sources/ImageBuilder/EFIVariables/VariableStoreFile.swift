internal import Basics
internal import CLinux
package import EFIVariables
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// A variable store in a file: read, or edited so that nobody ever sees half of an edit.
///
/// It may be in qcow2, and is then edited in qcow2.
package struct VariableStoreFile: Sendable {
  /// The file as it was named.
  package let path: String

  package init(_ path: String) {
    self.path = path
  }

  /// - Throws: `Fault` for a file that cannot be read, and with the offset for one that is not an intact store;
  ///   `CancellationError`.
  package func read() async throws -> VariableStore {
    let bytes = try await bytes()
    do {
      return try VariableStore(reading: bytes)
    } catch {
      throw Fault(.badInput, "\(path) is not an intact variable store: \(error)")
    }
  }

  /// Edits the store, in its place or into a new file.
  ///
  /// In its place, it is locked from the reading to the replacement, as QEMU locks it: neither a machine that runs
  /// nor one that starts meanwhile loses the edit.
  ///
  /// - Parameters:
  ///   - out: the file to make, in the store's format; nil to replace the store itself.
  ///   - source: a file that goes into the edit, and may be private.
  /// - Throws: `Fault`; also for a store that a running machine uses, and an edit that the store refuses;
  ///   `CancellationError`.
  package func edit<Result>(
    into out: String?, with source: String? = nil, _ body: (inout VariableStore) throws -> Result
  ) async throws -> Result {
    let lock = try StoreLock(path, exclusive: out == nil)
    defer { lock.release() }
    var store = try await read()
    let (result, image): (Result, [UInt8])
    do {
      result = try body(&store)
      image = try store.serialized()
    } catch let fault as EFIFault {
      throw Fault(.badInput, fault.reason)
    }
    let edited = try await flashFile(FilePath(path), with: image)
    if let out {
      try Self.write(edited, to: out, notMorePublicThan: [path] + [source].compactMap(\.self))
    } else {
      try FileReplacement.write(edited, to: path, like: path)
    }
    return result
  }

  /// Writes a new file, all or nothing.
  ///
  /// - Parameter sources: files of which it is a copy, and which may be private.
  /// - Throws: `Fault`; also when there is such a file.
  package static func write(
    _ bytes: [UInt8], to out: String, notMorePublicThan sources: [String] = []
  ) throws {
    guard !HostFiles.exists(FilePath(out)) else {
      throw Fault(.badInput, "\(out) exists", remedy: "Remove it, or choose another --out")
    }
    try FileReplacement.write(bytes, to: out, like: nil, notMorePublicThan: sources)
  }

  private func bytes() async throws -> [UInt8] {
    guard let status = try? FileStatus(of: FilePath(path)), status.kind == .file else {
      throw Fault(.badInput, "\(path) is not a regular file that can be read", remedy: "Check the path")
    }
    guard status.size <= Self.limit else {
      throw Fault(.badInput, "\(path) is larger than any variable store", remedy: "Check the path")
    }
    do {
      let bytes = try WholeFile.read(FilePath(path))
      return Qcow2Header(bytes) == nil ? bytes : try await flashBytes(FilePath(path))
    } catch let failure as PathFailure {
      throw Fault(.badInput, "\(failure)", remedy: "Check its permissions")
    }
  }

  /// AAVMF's have 64 MiB.
  private static let limit = 256 << 20
}

/// The lock that QEMU has on the files of a machine that runs.
///
/// QEMU's raw driver locks single bytes for what it needs, and for what it does not let others do (100 and 200 onwards;
/// `block/file-posix.c`, `RAW_LOCK_PERM_BASE`), with locks of the open file (fcntl(2), F_OFD_SETLK).
private struct StoreLock {
  private let file: Int32

  private static let first: off_t = 100
  private static let count: off_t = 200

  /// - Parameter exclusive: whether the file is about to be replaced, and no machine may open it meanwhile.
  init(_ path: String, exclusive: Bool) throws {
    file = open(path, (exclusive ? O_RDWR : O_RDONLY) | O_CLOEXEC)
    guard file >= 0 else {
      let reason = String(cString: strerror(errno))
      throw Fault(
        .badInput, "\(path) cannot be \(exclusive ? "written" : "read"): \(reason)",
        remedy: exclusive ? "Check its permissions, or write a new file with --out" : "Check the path")
    }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = Self.first
    lock.l_len = Self.count
    // The question is asked with a file that is only read, too; the lock itself needs one that can be written.
    let result = fcntl(file, exclusive ? slipway_F_OFD_SETLK : slipway_F_OFD_GETLK, &lock)
    let isHeld =
      exclusive ? result != 0 && (errno == EAGAIN || errno == EACCES) : Int32(lock.l_type) != F_UNLCK
    if isHeld {
      close(file)
      throw Fault(
        .badInput, "\(path) is in use by a running virtual machine", remedy: "Shut the machine down first")
    }
    guard result == 0 else {
      let reason = String(cString: strerror(errno))
      close(file)
      throw Fault(.failed, "\(path) cannot be locked: \(reason)")
    }
  }

  func release() {
    close(file)
  }
}

/// Writes a whole store that is there completely or not at all, also when this process is killed.
private enum FileReplacement {
  /// - Parameters:
  ///   - model: a file whose mode and owner the new one gets.
  ///   - sources: files of which it is a copy; only who can read each can read the new one.
  static func write(
    _ bytes: [UInt8], to path: String, like model: String?, notMorePublicThan sources: [String] = []
  ) throws {
    // Through a link the file is replaced, not the link.
    let place = FilePath(model == nil ? path : resolved(path))
    let folder = place.removingLastComponent()
    let limit = sources.reduce(0o666) { $0 & ((try? FileStatus(of: FilePath($1)))?.mode ?? 0o600) }
    do {
      try WholeFile.make(
        place, replacingBy: model == nil ? nil : folder.appending(temporaryName(of: place)),
        mode: model == nil ? limit : 0o600
      ) { file in
        try file.writeAll(bytes)
        if let model, let status = try? FileStatus(of: FilePath(model)) {
          // The owner is root's to give; an ordinary user owns what it replaces, or gets its own.
          _ = fchown(file.rawValue, status.owner, status.group)
          _ = fchmod(file.rawValue, status.permissions)
        }
        guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
      }
    } catch let failure as PathFailure {
      throw Fault(failure, need: UInt64(bytes.count))
    } catch let error as Errno {
      throw Fault(PathFailure("write", place, error), need: UInt64(bytes.count))
    }
    try HostFiles.synchronise(folder.isEmpty ? "." : folder)
  }

  /// The same each time: whoever holds the store's lock is the only one to use it, and the next edit removes what a
  /// killed one left.
  static func temporaryName(of place: FilePath) -> String {
    ".\(place.lastComponent?.string ?? "").slipway-new"
  }

  private static func resolved(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
