internal import Glibc
internal import SystemPackage

/// A file that somebody names and that a tool or a machine opens by its name, before it does.
enum RegularFile {
  /// Makes sure that a path leads to a file that can be read: from a pipe or a device a reader may wait for ever, and an
  /// image cannot be read in any order.
  ///
  /// - Returns: the path from the root.
  /// - Throws: `BuildError`.
  static func check(_ path: FilePath) throws -> FilePath {
    var status = stat()
    guard stat(path.string, &status) == 0 else { throw unreadable(path, errno) }
    let kind: String? =
      switch status.st_mode & S_IFMT {
      case S_IFREG: nil
      case S_IFDIR: "a folder"
      case S_IFIFO: "a pipe"
      case S_IFSOCK: "a socket"
      default: "a device"
      }
    if let kind {
      throw BuildError(
        .badInput, "\(path) is \(kind), and a file is needed", remedy: "Copy its content to a file first")
    }
    guard access(path.string, R_OK) == 0 else { throw unreadable(path, errno) }
    return path.absolute
  }

  private static func unreadable(_ path: FilePath, _ code: Int32) -> BuildError {
    guard code != ENOENT, code != ENOTDIR else {
      return BuildError(.badInput, "\(path) does not exist", remedy: "Check the path")
    }
    return BuildError(
      .badInput, "\(path) cannot be read: \(String(cString: strerror(code)))", remedy: "Check its permissions"
    )
  }
}
