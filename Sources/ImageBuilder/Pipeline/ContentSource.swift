internal import Basics
internal import BuildPlan
internal import CLinux
internal import Ext4
internal import Foundation
internal import SystemPackage

/// What a content's source is, once it was looked at.
enum ContentSource: Sendable {
  /// A file or folder, by a path that no link is on.
  case tree(FilePath, isFolder: Bool)
  /// What a FIFO or another file without a name had to say, read once.
  case stream([UInt8], mode: UInt16)

  /// Looks at a source, and reads it if it cannot be read twice.
  ///
  /// - Parameters:
  ///   - path: the path as it was given. A link is followed.
  ///   - key: the spec's key, for errors.
  /// - Throws: `SpecError` for what is not there, cannot be read, or is neither file, folder nor FIFO;
  ///   `CancellationError`.
  init(_ path: FilePath, key: String) throws {
    let status: FileStatus
    do throws(Errno) {
      status = try FileStatus(of: path)
    } catch {
      throw Self.fault(path, key, error)
    }
    let mode = UInt16(truncatingIfNeeded: status.permissions)
    switch SpecialFile(mode: status.mode) {
    case .fifo: self = .stream(try Self.read(path, key), mode: mode)
    case .some(let special):
      throw SpecError(
        key, "'\(path)' is \(special.rawValue)", remedy: "Give a file, a folder or a FIFO")
    case nil:
      guard let real = Self.realPath(of: path, status) else {
        // As a here-document that a shell has on a descriptor: open, and removed already.
        self = .stream(try Self.read(path, key), mode: mode)
        return
      }
      self = .tree(real, isFolder: status.kind == .folder)
    }
  }

  /// The path without links; nil when it does not lead to the same file, as one in `/dev/fd` may not.
  private static func realPath(of path: FilePath, _ status: FileStatus) -> FilePath? {
    guard let text = path.withPlatformString({ realpath($0, nil) }) else { return nil }
    defer { free(text) }
    let real = FilePath(platformString: text)
    guard let found = try? FileStatus(of: real), found.device == status.device, found.inode == status.inode
    else { return nil }
    return real
  }

  private static func fault(_ path: FilePath, _ key: String, _ error: Errno) -> SpecError {
    switch error {
    case .noSuchFileOrDirectory where HostFiles.exists(path):
      return SpecError(key, "'\(path)' is a link that leads nowhere", remedy: "Give what it should lead to")
    case .noSuchFileOrDirectory, .notDirectory:
      return SpecError(key, "there is no '\(path)'", remedy: "Check the source's path")
    default:
      return SpecError(key, "'\(path)' cannot be read: \(error)", remedy: "Make it readable for this user")
    }
  }

  /// The most that is kept in memory.
  private static let streamLimit = 256 << 20

  /// Reads to the end, and waits for a writer, as every reader of a FIFO does.
  private static func read(_ path: FilePath, _ key: String) throws -> [UInt8] {
    do {
      return try WholeFile.read(path, limit: streamLimit)
    } catch let failure as PathFailure where failure.reason == .fileTooLarge {
      throw SpecError(
        key,
        "'\(path)' has more than \(streamLimit >> 20) MiB, and is not a regular file, which could be read again",
        remedy: "Write it to a file first")
    } catch let failure as PathFailure {
      throw fault(path, key, failure.reason)
    }
  }
}

extension FilePath {
  /// The last name, as bytes; nil for a root, `.` and `..`.
  var nameBytes: [UInt8]? {
    guard let last = lastComponent, last.kind == .regular else { return nil }
    return last.withPlatformString { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
  }

  /// Every path that a pattern matches, whatever bytes their names are of.
  ///
  /// - Throws: `Errno` when nothing does, or a folder on the way cannot be read.
  static func matching(_ pattern: String) throws(Errno) -> [FilePath] {
    var found = glob_t()
    defer { globfree(&found) }
    errno = 0
    switch glob(pattern, GLOB_ERR, nil, &found) {
    case 0:
      return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { FilePath(platformString: $0) } }
    case GLOB_ABORTED where errno != 0: throw Errno(rawValue: errno)
    case GLOB_NOSPACE: throw .noMemory
    default: throw .noSuchFileOrDirectory
    }
  }
}
