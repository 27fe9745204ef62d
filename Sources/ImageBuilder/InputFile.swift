internal import Foundation
internal import SystemPackage

/// A file that somebody names, before anything reads it.
enum InputFile {
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

/// The place of an output folder, from which libvirt and QEMU are given files.
enum OutputPath {
  /// Bytes that a path may have from the root. The names that are made below it are well within the 1023 that QEMU keeps
  /// of the name of a file.
  static let longest = 900

  /// Refuses what a domain's XML or QEMU cannot carry, before anything is made.
  ///
  /// - Throws: `BuildError`.
  static func check(_ out: String) throws {
    let path = FilePath(out).absolute.string
    guard path.utf8.count <= longest else {
      throw BuildError(
        .badInput, "the output folder's path has \(path.utf8.count) bytes, and \(longest) are the most",
        remedy: "Choose another --out, and move the folder afterwards")
    }
    let isPlain = path.unicodeScalars.allSatisfy { scalar in
      scalar != "\u{FFFD}" && scalar.properties.generalCategory != .control
    }
    guard isPlain else {
      throw BuildError(
        .badInput, "the output folder's path has a control character, or is not UTF-8: \(path)",
        remedy: "Choose another --out, and rename the folder afterwards")
    }
  }
}
