internal import Basics
internal import Glibc
internal import SystemPackage

/// A file that somebody names and that a tool or a machine opens by its name, before it does.
enum RegularFile {
  /// Makes sure that a path leads to a file that can be read: from a pipe or a device a reader may wait for ever, and an
  /// image cannot be read in any order.
  ///
  /// - Returns: the path from the root.
  /// - Throws: `Fault`.
  static func check(_ path: FilePath) throws -> FilePath {
    let status: FileStatus
    do throws(Errno) {
      status = try FileStatus(of: path)
    } catch {
      throw unreadable(path, error.rawValue)
    }
    let kind: String? =
      switch status.kind {
      case .file: nil
      case .folder: "a folder"
      case .pipe: "a pipe"
      case .socket: "a socket"
      case .device, .link: "a device"
      }
    if let kind {
      throw Fault(
        .badInput, "\(path) is \(kind), and a file is needed", remedy: "Copy its content to a file first")
    }
    guard access(path.string, R_OK) == 0 else { throw unreadable(path, errno) }
    return path.absolute
  }

  private static func unreadable(_ path: FilePath, _ code: Int32) -> Fault {
    guard code != ENOENT, code != ENOTDIR else {
      return Fault(.badInput, "\(path) does not exist", remedy: "Check the path")
    }
    return Fault(
      .badInput, "\(path) cannot be read: \(String(cString: strerror(code)))", remedy: "Check its permissions"
    )
  }
}
