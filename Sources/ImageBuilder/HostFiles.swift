internal import Basics
internal import CLinux
internal import Glibc
internal import SystemPackage

/// The few file operations of a build, by system calls, with errors that name the path, the reason and what to do.
enum HostFiles {
  /// How much is handed to the kernel at once; a cancelled task ends in between.
  private static let piece = 16 << 20

  static func exists(_ path: FilePath) -> Bool {
    mode(of: path) != nil
  }

  /// Whether there is a file, and not a link to one.
  static func isRegularFile(_ path: FilePath) -> Bool {
    mode(of: path).map { $0 & S_IFMT == S_IFREG } ?? false
  }

  /// Whether there is a folder, and not a link to one.
  static func isFolder(_ path: FilePath) -> Bool {
    mode(of: path).map { $0 & S_IFMT == S_IFDIR } ?? false
  }

  /// Which file a path leads to.
  struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  /// - Returns: nil when nothing is there.
  static func identity(of path: FilePath) -> Identity? {
    (try? FileStatus(of: path)).map { Identity(device: $0.device, inode: $0.inode) }
  }

  /// Whether another filesystem, or another part of this one, is mounted at a path that is no link.
  static func isMountPoint(_ path: FilePath) -> Bool {
    guard let name = path.lastComponent?.string else { return true }
    let parent = path.removingLastComponent()
    let directory = parent.withPlatformString { open($0, slipway_O_PATH | O_DIRECTORY | O_CLOEXEC) }
    guard directory >= 0 else { return false }
    defer { close(directory) }
    let file = slipway_open_on_this_mount(directory, name, slipway_O_PATH | O_NOFOLLOW | O_CLOEXEC)
    guard file >= 0 else {
      return errno == EXDEV || identity(of: path)?.device != identity(of: parent)?.device
    }
    close(file)
    return false
  }

  /// The size that a file shows, in bytes.
  static func size(of path: FilePath) throws -> UInt64 {
    do throws(Errno) {
      return try FileStatus(of: path).size
    } catch {
      throw Fault(PathFailure("read the size of", path, error))
    }
  }

  /// Makes a folder; its parent must exist.
  static func makeDirectory(_ path: FilePath, mode: mode_t = 0o755) throws {
    do {
      try Folder.make(path, mode: mode)
    } catch {
      throw Fault(error)
    }
  }

  /// Makes an empty file that only this user can read.
  static func makePrivateFile(_ path: FilePath) throws {
    let file = path.withPlatformString { open($0, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600) }
    guard file >= 0 else { throw failed("make", path) }
    close(file)
  }

  /// Makes a file of holes.
  static func makeSparseFile(_ path: FilePath, bytes: UInt64) throws {
    guard let size = off_t(exactly: bytes) else {
      throw Fault(
        .badInput, "a disk of \(bytes) bytes is larger than any file can be", remedy: "Choose a smaller size")
    }
    let file = path.withPlatformString { open($0, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644) }
    guard file >= 0 else { throw failed("make", path) }
    defer { close(file) }
    guard ftruncate(file, size) == 0 else { throw failed("make", path, need: bytes) }
  }

  /// Reads a whole file: one with a size, or a stream, such as a pipe.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  static func read(_ path: FilePath) throws -> [UInt8] {
    do {
      return try WholeFile.read(path)
    } catch let failure as PathFailure {
      throw Fault(failure)
    }
  }

  /// Writes a whole file.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  static func write(_ bytes: some Sequence<UInt8>, to path: FilePath, mode: mode_t = 0o644) throws {
    let bytes = Array(bytes)
    do {
      try WholeFile.write(bytes, to: path, mode: mode)
    } catch let failure as PathFailure {
      throw Fault(failure, need: UInt64(bytes.count))
    }
  }

  /// Makes a file's or folder's contents survive a power failure.
  ///
  /// - Throws: `Fault`; `CancellationError` before everything is on the disk.
  static func synchronise(_ path: FilePath) throws {
    let file = try opened(path, O_RDONLY)
    defer { close(file) }
    try writeBack(file)
    guard fsync(file) == 0 else { throw failed("flush", path) }
  }

  /// Has the data of a file written in pieces, since nothing interrupts fsync(2).
  private static func writeBack(_ file: Int32) throws {
    // A folder has no data, and its end is where its largest position is.
    guard (try? FileStatus(of: FileDescriptor(rawValue: file)))?.kind == .file else { return }
    var position = lseek(file, 0, slipway_SEEK_DATA)
    while position >= 0 {
      try Cancellation.check()
      let hole = lseek(file, position, slipway_SEEK_HOLE)
      guard hole > position else { return }
      let end = min(hole, position + off_t(piece))
      // What this does not do, fsync does.
      guard slipway_write_back(file, position, end - position) == 0 else { return }
      position = end < hole ? end : lseek(file, hole, slipway_SEEK_DATA)
    }
  }

  static func rename(_ old: FilePath, to new: FilePath) throws {
    do {
      try Folder.move(old, to: new)
    } catch {
      throw Fault(error)
    }
  }

  /// Swaps two names of one filesystem in one step (renameat2, Linux 3.15).
  static func exchange(_ first: FilePath, _ second: FilePath) throws {
    guard slipway_exchange(AT_FDCWD, first.string, second.string) == 0 else {
      throw failed("swap \(first) with", second)
    }
  }

  /// Removes a file or a folder with all that is in it; what is not there is removed already.
  static func remove(_ path: FilePath) throws {
    do {
      try TreeRemover.remove(path)
    } catch {
      throw Fault(error)
    }
  }

  /// Bytes that this user can still write to the filesystem of `path`.
  static func freeSpace(at path: FilePath) throws -> UInt64 {
    guard let space = FilesystemSpace(of: path) else { throw failed("read the free space of", path) }
    return space.available
  }

  private static func opened(_ path: FilePath, _ flags: Int32) throws -> Int32 {
    let file = path.withPlatformString { open($0, flags | O_CLOEXEC) }
    guard file >= 0 else { throw failed("open", path) }
    return file
  }

  private static func mode(of path: FilePath) -> mode_t? {
    (try? FileStatus(of: path, followingLinks: false))?.mode
  }

  /// To be called at once, while `errno` is that of the call.
  private static func failed(_ attempt: String, _ path: FilePath, need: UInt64? = nil) -> Fault {
    Fault(PathFailure(attempt, path, Errno(rawValue: errno)), need: need)
  }
}
