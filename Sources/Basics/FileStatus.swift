internal import Glibc
package import SystemPackage

/// What the kernel says of a file (stat(2)).
///
/// Here, and not where it is used: which module `struct stat` belongs to depends on what else a module imports.
package struct FileStatus: Hashable, Sendable {
  /// What it is.
  package enum Kind: Hashable, Sendable {
    case file, folder, link, pipe, socket, device
  }

  /// What it is.
  package var kind: Kind
  /// Type and permissions, as `st_mode` has them.
  package var mode: UInt32
  /// Its owner's number.
  package var owner: UInt32
  /// Its group's number.
  package var group: UInt32
  /// Bytes that it shows.
  package var size: UInt64
  /// The filesystem that it is on.
  package var device: UInt64
  /// Its number there.
  package var inode: UInt64

  /// Permissions alone, with the setuid, setgid and sticky bits.
  package var permissions: UInt32 { mode & 0o7777 }

  /// Asks for a file by its path.
  ///
  /// - Parameter followingLinks: whether a link stands for what it leads to.
  /// - Throws: `Errno`.
  package init(of path: FilePath, followingLinks: Bool = true) throws(Errno) {
    var status = stat()
    let result = path.withPlatformString { followingLinks ? stat($0, &status) : lstat($0, &status) }
    guard result == 0 else { throw Errno(rawValue: errno) }
    self.init(status)
  }

  /// Asks for an open file.
  ///
  /// - Throws: `Errno`.
  package init(of file: FileDescriptor) throws(Errno) {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
    self.init(status)
  }

  private init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      case S_IFLNK: .link
      case S_IFIFO: .pipe
      case S_IFSOCK: .socket
      default: .device
      }
    mode = status.st_mode
    owner = status.st_uid
    group = status.st_gid
    size = UInt64(clamping: status.st_size)
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}
