internal import CLinux
internal import Glibc
package import SystemPackage

/// Removes a file or a whole tree, whatever is in it: the one place where trees are removed.
///
/// It never follows a link and never enters another mount. It gives itself the permissions that folders lack,
/// holds at most four descriptors, goes as deep as the tree does, and takes names as bytes.
package enum TreeRemover {
  /// Removes what is at `path`; what is not there is removed already.
  ///
  /// A tree in which a process goes on making files, or that has a mount point, is removed but for that.
  ///
  /// - Throws: `PathFailure`.
  package static func remove(_ path: FilePath) throws(PathFailure) {
    guard path.lastComponent?.kind == .regular else {
      throw PathFailure("remove", path, .invalidArgument)
    }
    let parent = path.removingLastComponent()
    do throws(Errno) {
      let directory = try opened(parent.isEmpty ? "." : parent)
      defer { close(directory) }
      try remove(lastName(of: path), in: directory)
    } catch Errno.noSuchFileOrDirectory {
      return
    } catch {
      throw PathFailure("remove", path, error)
    }
  }

  /// A name with its final zero byte.
  private typealias Name = [CChar]

  /// How many names are read before they are removed: a folder may have millions.
  private static let batch = 4096
  /// How often a folder is emptied again in which something appears meanwhile.
  private static let passes = 1_000_000

  /// The last component as bytes; `FilePath.Component.string` would repair what is not UTF-8.
  private static func lastName(of path: FilePath) -> Name {
    path.withPlatformString { pointer in
      var end = strlen(pointer)
      while end > 0, pointer[end - 1] == 0x2F { end -= 1 }
      var start = end
      while start > 0, pointer[start - 1] != 0x2F { start -= 1 }
      return Name(UnsafeBufferPointer(start: pointer + start, count: end - start)) + [0]
    }
  }

  private static func opened(_ path: FilePath) throws(Errno) -> Int32 {
    let file = path.withPlatformString { open($0, slipway_O_PATH | O_DIRECTORY | O_CLOEXEC) }
    guard file >= 0 else { throw Errno(rawValue: errno) }
    return file
  }

  /// Removes one name of a folder. Folders in folders are moved up to the first one, so that depth costs nothing.
  private static func remove(_ name: Name, in directory: Int32) throws(Errno) {
    if try unlinked(name, in: directory) { return }
    let top = try openedFolder(name, in: directory)
    defer { close(top) }
    var number: UInt64 = 0
    for _ in 0..<passes {
      let names = try entries(of: top)
      if names.isEmpty {
        if try removedFolder(name, in: directory) { return }
        continue
      }
      for entry in names where try !unlinked(entry, in: top) {
        try flatten(entry, in: top, &number)
      }
    }
    throw .directoryNotEmpty
  }

  /// Removes a folder of `top`, after its files are removed and its folders are moved to `top`.
  private static func flatten(_ name: Name, in top: Int32, _ number: inout UInt64) throws(Errno) {
    let folder = try openedFolder(name, in: top)
    defer { close(folder) }
    while case let names = try entries(of: folder), !names.isEmpty {
      for entry in names where try !unlinked(entry, in: folder) {
        try moveUp(entry, from: folder, to: top, &number)
      }
    }
    // What appeared meanwhile is for the next pass.
    _ = try removedFolder(name, in: top)
  }

  private static func moveUp(
    _ name: Name, from folder: Int32, to top: Int32, _ number: inout UInt64
  ) throws(Errno) {
    while true {
      number += 1
      if renameat(folder, name, top, "slipway-removed-\(number)") == 0 { return }
      switch errno {
      // The new name is taken.
      case EEXIST, ENOTEMPTY, ENOTDIR, EISDIR: continue
      case ENOENT: return
      // A folder that moves is written to, as its ".." changes.
      case EACCES:
        close(try openedFolder(name, in: folder))
        guard renameat(folder, name, top, "slipway-removed-\(number)") != 0 else { return }
        guard errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR else {
          throw Errno(rawValue: errno)
        }
      case let code: throw Errno(rawValue: code)
      }
    }
  }

  /// Removes a name unless it is a folder's.
  ///
  /// - Returns: whether it is gone.
  private static func unlinked(_ name: Name, in directory: Int32) throws(Errno) -> Bool {
    if unlinkat(directory, name, 0) == 0 { return true }
    switch errno {
    case ENOENT: return true
    case EISDIR: return false
    case let code:
      var status = stat()
      // Some filesystems say EPERM of a folder, as POSIX does.
      guard code == EPERM, fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFDIR
      else { throw Errno(rawValue: code) }
      return false
    }
  }

  private static func removedFolder(_ name: Name, in directory: Int32) throws(Errno) -> Bool {
    if unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
    guard errno == ENOTEMPTY || errno == EEXIST else { throw Errno(rawValue: errno) }
    return false
  }

  /// Opens a folder for reading, after giving its owner all permissions.
  ///
  /// - Throws: `Errno.improperLink` when another filesystem is mounted there.
  private static func openedFolder(_ name: Name, in directory: Int32) throws(Errno) -> Int32 {
    let flags = slipway_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    var place = slipway_open_on_this_mount(directory, name, flags)
    // Before Linux 5.6, and in sandboxes that know none later.
    if place < 0, errno == ENOSYS || errno == EPERM { place = openat(directory, name, flags) }
    guard place >= 0 else { throw Errno(rawValue: errno) }
    defer { close(place) }
    var status = stat()
    var outer = stat()
    guard fstat(directory, &outer) == 0 else { throw Errno(rawValue: errno) }
    guard fstat(place, &status) == 0 else { throw Errno(rawValue: errno) }
    guard status.st_dev == outer.st_dev else { throw .improperLink }
    if status.st_mode & 0o700 != 0o700 {
      // By its descriptor: the name could be a link by now.
      guard chmod("/proc/self/fd/\(place)", status.st_mode & 0o7777 | 0o700) == 0 else {
        throw Errno(rawValue: errno)
      }
    }
    let folder = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw Errno(rawValue: errno) }
    return folder
  }

  /// The first names of a folder, as bytes.
  private static func entries(of folder: Int32) throws(Errno) -> [Name] {
    let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0 else { throw Errno(rawValue: errno) }
    guard let stream = fdopendir(copy) else {
      let error = Errno(rawValue: errno)
      close(copy)
      throw error
    }
    defer { closedir(stream) }
    var names: [Name] = []
    while names.count < batch {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw Errno(rawValue: errno) }
        break
      }
      let name = entryNameBytes(entry).map { CChar(bitPattern: $0) }
      if name != [0x2E], name != [0x2E, 0x2E] { names.append(name + [0]) }
    }
    return names
  }
}
