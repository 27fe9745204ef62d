internal import CLinux
internal import Foundation
internal import SystemPackage

/// The few file operations of a build, with errors that name the path and what to do.
enum FileSystem {
  static func exists(_ path: FilePath) -> Bool {
    var status = stat()
    return lstat(path.string, &status) == 0
  }

  /// Whether there is a file, and not a link to one.
  static func isRegularFile(_ path: FilePath) -> Bool {
    var status = stat()
    return lstat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// The size that a file shows, in bytes.
  static func size(of path: FilePath) throws -> UInt64 {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else { throw fault("read the size of", path) }
    return UInt64(status.st_size)
  }

  /// Makes a folder; its parent must exist.
  static func makeDirectory(_ path: FilePath, mode: mode_t = 0o755) throws {
    guard mkdir(path.string, mode) == 0 else { throw fault("make the folder", path) }
  }

  /// Makes an empty file that only this user can read.
  static func makePrivateFile(_ path: FilePath) throws {
    let file = open(path.string, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw fault("make", path) }
    close(file)
  }

  /// Makes a file of holes.
  static func makeSparseFile(_ path: FilePath, bytes: UInt64) throws {
    let file = open(path.string, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw fault("make", path) }
    defer { close(file) }
    guard ftruncate(file, off_t(bytes)) == 0 else { throw fault("make", path, "with \(bytes) bytes") }
  }

  static func read(_ path: FilePath) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path.string) else { throw fault("read", path) }
    return Array(data)
  }

  static func write(_ bytes: some Sequence<UInt8>, to path: FilePath) throws {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path.string))
    } catch {
      throw fault("write", path)
    }
  }

  /// Makes a file's or folder's contents survive a power failure.
  static func synchronise(_ path: FilePath) throws {
    let file = open(path.string, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw fault("open", path) }
    defer { close(file) }
    guard fsync(file) == 0 else { throw fault("flush", path) }
  }

  static func rename(_ old: FilePath, to new: FilePath) throws {
    guard Glibc.rename(old.string, new.string) == 0 else { throw fault("rename \(old) to", new) }
  }

  /// Swaps two names of one filesystem in one step (renameat2, Linux 3.15).
  static func exchange(_ first: FilePath, _ second: FilePath) throws {
    guard slipway_exchange(AT_FDCWD, first.string, second.string) == 0 else {
      throw fault("swap \(first) with", second)
    }
  }

  /// Removes a file or a folder with all that is in it; what is not there is removed already.
  static func remove(_ path: FilePath) throws {
    guard exists(path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path.string)
    } catch {
      throw fault("remove", path)
    }
  }

  /// Bytes that this user can still write to the filesystem of `path`.
  static func freeSpace(at path: FilePath) throws -> UInt64 {
    var status = statvfs()
    guard statvfs(path.string, &status) == 0 else { throw fault("read the free space of", path) }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }

  private static func fault(_ attempt: String, _ path: FilePath, _ rest: String = "") -> BuildError {
    let reason = String(cString: strerror(errno))
    return BuildError(.failed, "could not \(attempt) \(path)\(rest.isEmpty ? "" : " " + rest): \(reason)")
  }
}
