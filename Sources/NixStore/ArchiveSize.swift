internal import Basics
internal import Glibc
internal import SystemPackage

/// How long the archive (NAR) of a store object would be: it follows from sizes and names alone, so no file's contents
/// are read. Hard links count in full, as Nix counts them.
enum ArchiveSize {
  /// Something in a tree that stops the walk; the check of a closure says what it means for a store object.
  enum Failure: Error, Hashable {
    case unreadable(FilePath, Errno)
    case neitherFileNorFolderNorLink(FilePath)

    /// What `errno` says about a path.
    fileprivate init(_ path: [CChar]) {
      self = .unreadable(FilePath(platformString: path), Errno(rawValue: errno))
    }
  }

  /// Counts one object. Links are not followed, other filesystems are entered.
  ///
  /// - Throws: `Failure` at the first entry that is special, vanishes, or may not be looked at; `CancellationError`
  ///   between two entries.
  static func of(_ path: FilePath) throws -> UInt64 {
    var size = narString("nix-archive-1".utf8.count)
    // Names are bytes and need not be UTF-8. They stay C strings also because a FilePath for each of them
    // takes most of the time of a walk.
    var folders: [[CChar]] = []
    let root = path.withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) }
    var status = stat()
    guard lstat(root, &status) == 0 else { throw Failure(root) }
    try add(status, at: root, to: &size, &folders)
    while let folder = folders.popLast() {
      try add(entriesOf: folder, to: &size, &folders)
    }
    return size
  }

  private static func add(
    entriesOf folder: [CChar], to size: inout UInt64, _ folders: inout [[CChar]]
  ) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(folder) }
    guard let stream = fdopendir(descriptor) else {
      defer { close(descriptor) }
      throw Failure(folder)
    }
    defer { closedir(stream) }
    while true {
      try Cancellation.check()
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw Failure(folder) }
        return
      }
      let name = entryNameBytes(entry).map { CChar(bitPattern: $0) } + [0]
      guard !isDotOrDotDot(name) else { continue }
      let path = folder.dropLast() + [CChar(bitPattern: UInt8(ascii: "/"))] + name
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw Failure(path) }
      size += NarFraming.entry + narString(name.count - 1)
      try add(status, at: path, to: &size, &folders)
    }
  }

  /// Counts one node, without its name; notes a folder for later.
  private static func add(
    _ status: stat, at path: [CChar], to size: inout UInt64, _ folders: inout [[CChar]]
  ) throws(Failure) {
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      size += NarFraming.directory
      folders.append(path)
    case S_IFREG:
      size += NarFraming.file + narString(status.st_size)
      if status.st_mode & S_IXUSR != 0 { size += NarFraming.executable }
    case S_IFLNK:
      size += NarFraming.symlink + narString(status.st_size)
    default:
      throw .neitherFileNorFolderNorLink(FilePath(platformString: path))
    }
  }
}

/// The parts of an archive that do not depend on names and contents, in bytes.
///
/// The format is in section 5.2 of Dolstra's thesis, "The Purely Functional Software Deployment Model": every
/// item is a string, and each node is a bracketed list of them.
private enum NarFraming {
  static let directory = strings("(", "type", "directory", ")")
  static let entry = strings("entry", "(", "name", "node", ")")
  static let file = strings("(", "type", "regular", "contents", ")")
  static let executable = strings("executable", "")
  static let symlink = strings("(", "type", "symlink", "target", ")")

  private static func strings(_ items: String...) -> UInt64 {
    items.reduce(0) { $0 + narString($1.utf8.count) }
  }
}

/// A string in an archive: its length in 8 bytes, then its bytes, padded to a multiple of 8.
private func narString(_ count: some BinaryInteger) -> UInt64 {
  8 + (UInt64(count) + 7) / 8 * 8
}

private func isDotOrDotDot(_ name: [CChar]) -> Bool {
  let dot = CChar(bitPattern: UInt8(ascii: "."))
  return name == [dot, 0] || name == [dot, dot, 0]
}
