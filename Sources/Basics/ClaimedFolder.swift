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
    let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return prefix + String(repeating: "0", count: 16 - digits.count) + digits
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
      let file = try opened(path)
      guard flock(file, LOCK_EX | LOCK_NB) != 0 else {
        return ClaimedFolder(path: path, lock: file)
      }
      guard errno == EWOULDBLOCK else {
        close(file)
        return ClaimedFolder(path: path, lock: nil)
      }
      // Somebody saw it in the moment before it was locked, and clears it away: make it once more.
      flock(file, LOCK_EX)
      close(file)
    }
  }

  /// Gives the lock back. A process that ends does so, too.
  package func release() {
    if let lock { close(lock) }
  }

  /// Removes the folders below `parent` that `isOurs` knows by their names, that this user owns, and that no process
  /// holds. What cannot be removed stays.
  package static func removeAbandoned(in parent: FilePath, where isOurs: (String) -> Bool) {
    for path in abandoned(in: parent, where: isOurs) { try? TreeRemover.remove(path) }
  }

  /// Those folders, without removing them.
  package static func abandoned(in parent: FilePath, where isOurs: (String) -> Bool) -> [FilePath] {
    guard let stream = parent.withPlatformString({ opendir($0) }) else { return [] }
    defer { closedir(stream) }
    var found: [FilePath] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard isOurs(name), case let path = parent.appending(name), isAbandoned(path) else { continue }
      found.append(path)
    }
    return found
  }

  private static func isAbandoned(_ path: FilePath) -> Bool {
    guard let file = try? opened(path) else { return false }
    defer { close(file) }
    var status = stat()
    return fstat(file, &status) == 0 && status.st_uid == geteuid() && flock(file, LOCK_EX | LOCK_NB) == 0
  }

  private static func opened(_ path: FilePath) throws(PathFailure) -> Int32 {
    let file = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    guard file >= 0 else { throw PathFailure("open", path, Errno(rawValue: errno)) }
    return file
  }
}
