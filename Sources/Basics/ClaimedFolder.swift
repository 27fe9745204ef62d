internal import Glibc
package import SystemPackage

/// A folder that this process makes for itself, and holds a lock on while it lives.
///
/// The lock tells others whether the folder is still in use: one that nobody holds was left by a process that was
/// killed, or by a machine that lost its power. It is a lock of the folder itself (flock(2)), so it needs no file and
/// moves with the folder.
package struct ClaimedFolder: Sendable {
  /// Where it was made.
  package let path: FilePath
  /// Nil on a filesystem without locks of folders, such as NFS: there nothing is ever taken for abandoned.
  private let lock: Int32?

  /// A name that no other has: the prefix, and 16 hexadecimal digits by chance.
  package static func uniqueName(_ prefix: String) -> String {
    prefix + Hexadecimal.text(UInt64.random(in: 0...UInt64.max).bigEndianBytes)
  }

  /// Whether `uniqueName` could have made a name.
  package static func isUniqueName(_ name: String, prefix: String) -> Bool {
    guard name.hasPrefix(prefix) else { return false }
    let digits = name.dropFirst(prefix.count).utf8
    return digits.count == 16
      && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  /// Makes the folder, and locks it.
  ///
  /// - Throws: `PathFailure`.
  package static func make(at path: FilePath, mode: UInt32) throws(PathFailure) -> ClaimedFolder {
    while true {
      guard path.withPlatformString({ mkdir($0, mode) }) == 0 else {
        throw PathFailure("make the folder", path, Errno(rawValue: errno))
      }
      // Somebody may see it in the moment before it is locked, and clear it away: then it is made once more.
      guard let file = try? opened(path) else { continue }
      let result = flock(file, LOCK_EX)
      // Without locks of folders, nobody clears it away either.
      if result != 0, errno != EINTR {
        close(file)
        return ClaimedFolder(path: path, lock: nil)
      }
      if result == 0, isStillThere(path, file) { return ClaimedFolder(path: path, lock: file) }
      close(file)
    }
  }

  private static func isStillThere(_ path: FilePath, _ file: Int32) -> Bool {
    var (named, open) = (stat(), stat())
    return path.withPlatformString { lstat($0, &named) } == 0 && fstat(file, &open) == 0
      && named.st_dev == open.st_dev && named.st_ino == open.st_ino
  }

  /// Gives the lock back. A process that ends does so, too.
  package func release() {
    guard let lock else { return }
    // A child that has not yet reached its exec has the descriptor, too, and with it the lock.
    flock(lock, LOCK_UN)
    close(lock)
  }

  /// Removes the folders below `parent` that `isOurs` knows by their names, that this user owns, and that no process
  /// holds. What cannot be removed stays.
  package static func removeAbandoned(in parent: FilePath, where isOurs: (String) -> Bool) {
    for folder in abandoned(in: parent, where: isOurs) {
      try? TreeRemover.remove(folder.path)
      folder.release()
    }
  }

  /// Those folders, locked: whoever takes them away releases them afterwards.
  package static func abandoned(in parent: FilePath, where isOurs: (String) -> Bool) -> [ClaimedFolder] {
    let names = ((try? Folder.names(in: parent)) ?? []).compactMap { String(validating: $0, as: UTF8.self) }
    return names.filter(isOurs).compactMap { claimed(parent.appending($0)) }
  }

  /// Locks a folder of this user that nobody holds.
  private static func claimed(_ path: FilePath) -> ClaimedFolder? {
    guard let file = try? opened(path) else { return nil }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_uid == geteuid(), flock(file, LOCK_EX | LOCK_NB) == 0 else {
      close(file)
      return nil
    }
    return ClaimedFolder(path: path, lock: file)
  }

  /// Locks a folder that is there for longer than this process.
  ///
  /// - Returns: nil where another process holds it.
  /// - Throws: `PathFailure`.
  package static func claim(_ path: FilePath) throws(PathFailure) -> ClaimedFolder? {
    let file = try opened(path)
    guard flock(file, LOCK_EX | LOCK_NB) != 0 else { return ClaimedFolder(path: path, lock: file) }
    let isHeld = errno == EWOULDBLOCK
    close(file)
    return isHeld ? nil : ClaimedFolder(path: path, lock: nil)
  }

  private static func opened(_ path: FilePath) throws(PathFailure) -> Int32 {
    let file = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    guard file >= 0 else { throw PathFailure("open", path, Errno(rawValue: errno)) }
    return file
  }
}
