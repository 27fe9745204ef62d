internal import Glibc
package import SystemPackage

/// What is done with folders and names. Names are bytes, and a failure has the path and the reason.
package enum Folder {
  /// The names in a folder, in the order of their bytes, without `.` and `..`.
  ///
  /// - Throws: `PathFailure`.
  package static func names(in path: FilePath) throws(PathFailure) -> [[UInt8]] {
    guard let stream = path.withPlatformString({ opendir($0) }) else {
      throw PathFailure("list", path, Errno(rawValue: errno))
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw PathFailure("list", path, Errno(rawValue: errno)) }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
      }
      let name = entryNameBytes(entry)
      if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
    }
  }

  /// Makes a folder; the one above it must be there.
  ///
  /// - Throws: `PathFailure`.
  package static func make(_ path: FilePath, mode: UInt32 = 0o755) throws(PathFailure) {
    guard path.withPlatformString({ mkdir($0, mode) }) == 0 else {
      throw PathFailure("make the folder", path, Errno(rawValue: errno))
    }
  }

  /// Makes a folder and those above it, as far as they are not there.
  ///
  /// - Throws: `PathFailure`.
  package static func makeAll(_ path: FilePath, mode: UInt32 = 0o755) throws(PathFailure) {
    do throws(PathFailure) {
      try make(path, mode: mode)
    } catch  where error.reason == .noSuchFileOrDirectory {
      let parent = path.removingLastComponent()
      guard parent != path, !parent.isEmpty else { throw error }
      try makeAll(parent, mode: mode)
      try makeAll(path, mode: mode)
    } catch  where error.reason == .fileExists {
      guard (try? FileStatus(of: path))?.kind == .folder else { throw error }
    }
  }

  /// Renames; a file or an empty folder of the new name is replaced.
  ///
  /// - Throws: `PathFailure`.
  package static func move(_ old: FilePath, to new: FilePath) throws(PathFailure) {
    let result = old.withPlatformString { old in new.withPlatformString { rename(old, $0) } }
    guard result == 0 else { throw PathFailure("rename \(old) to", new, Errno(rawValue: errno)) }
  }

  /// Makes a symbolic link.
  ///
  /// - Throws: `PathFailure`.
  package static func link(_ path: FilePath, to target: FilePath) throws(PathFailure) {
    let result = target.withPlatformString { target in path.withPlatformString { symlink(target, $0) } }
    guard result == 0 else { throw PathFailure("make the link", path, Errno(rawValue: errno)) }
  }
}

extension FilePath {
  /// The path of an entry, whose name may be any bytes.
  package func appending(bytes name: [UInt8]) -> FilePath {
    let component = (name + [0]).withUnsafeBytes { bytes in
      bytes.baseAddress.map { FilePath(platformString: $0.assumingMemoryBound(to: CChar.self)) }
    }
    return component.map { appending($0.components) } ?? self
  }

  /// The same path from the root; links and `..` stay as they are.
  package var absolute: FilePath {
    isAbsolute ? self : FilePath.workingFolder.pushing(self)
  }

  /// The folder that this process is in; `.` where it is removed.
  package static var workingFolder: FilePath {
    guard let text = getcwd(nil, 0) else { return "." }
    defer { free(text) }
    return FilePath(platformString: text)
  }
}

extension FileStatus {
  /// Whether a path leads to a file that this user may run.
  package static func isProgram(_ path: FilePath) -> Bool {
    (try? FileStatus(of: path))?.kind == .file && path.withPlatformString { access($0, X_OK) } == 0
  }
}
