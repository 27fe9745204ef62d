internal import Glibc
internal import SystemPackage

/// What a walk over store objects counts, without reading any file's contents.
package struct TreeScan: Hashable, Sendable {
  /// Regular files; further names of a counted file are in `hardLinks` instead.
  package var files = 0
  package var directories = 0
  package var symlinks = 0
  /// Names of regular files beyond the first of each file.
  package var hardLinks = 0
  /// Contents of the counted files, in bytes.
  package var contentBytes: UInt64 = 0
  /// The same with each file rounded up to blocks of 4 KiB: what a filesystem without tail packing needs.
  package var blockBytes: UInt64 = 0
  /// Names of all entries and targets of all links, in bytes.
  package var nameBytes: UInt64 = 0
  /// The length of the objects' archives (NARs), in bytes; hard links count in full, as Nix counts them.
  package var narSize: UInt64 = 0

  package init() {}

  /// Everything that needs an inode.
  package var inodes: Int { files + directories + symlinks }

  /// The counts of both.
  package static func + (left: TreeScan, right: TreeScan) -> TreeScan {
    var sum = left
    sum.files += right.files
    sum.directories += right.directories
    sum.symlinks += right.symlinks
    sum.hardLinks += right.hardLinks
    sum.contentBytes += right.contentBytes
    sum.blockBytes += right.blockBytes
    sum.nameBytes += right.nameBytes
    sum.narSize += right.narSize
    return sum
  }
}

/// Walks store objects one after the other and remembers hard-linked files, within an object and across
/// objects: stores with `auto-optimise-store` link equal files.
struct TreeScanner {
  /// Something in a tree that stops the walk.
  enum Failure: Error, Hashable {
    case unreadable(FilePath, Errno)
    case neitherFileNorFolderNorLink(FilePath)

    /// What `errno` says about a path.
    fileprivate init(_ path: [CChar]) {
      self = .unreadable(FilePath(platformString: path), Errno(rawValue: errno))
    }
  }

  private struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  private var seen: Set<FileIdentity> = []

  /// Counts one object. Links are not followed, other filesystems are entered.
  ///
  /// - Throws: `Failure` at the first entry that is special, vanishes, or may not be looked at.
  mutating func scan(_ path: FilePath) throws(Failure) -> TreeScan {
    var scan = TreeScan()
    scan.narSize = narString("nix-archive-1".utf8.count)
    scan.nameBytes = UInt64(path.lastComponent?.string.utf8.count ?? 0)
    // Names are bytes and need not be UTF-8. They stay C strings also because a FilePath for each of them
    // takes most of the time of a walk.
    var folders: [[CChar]] = []
    let root = path.withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) }
    var status = stat()
    guard lstat(root, &status) == 0 else { throw Failure(root) }
    try add(status, at: root, to: &scan, &folders)
    while let folder = folders.popLast() {
      try add(entriesOf: folder, to: &scan, &folders)
    }
    return scan
  }

  private mutating func add(
    entriesOf folder: [CChar], to scan: inout TreeScan, _ folders: inout [[CChar]]
  ) throws(Failure) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(folder) }
    guard let stream = fdopendir(descriptor) else {
      defer { close(descriptor) }
      throw Failure(folder)
    }
    defer { closedir(stream) }
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw Failure(folder) }
        return
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
        field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
          Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
        }
      }
      guard !isDotOrDotDot(name) else { continue }
      let path = folder.dropLast() + [CChar(bitPattern: UInt8(ascii: "/"))] + name
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw Failure(path) }
      let length = UInt64(name.count - 1)
      scan.nameBytes += length
      scan.narSize += NarFraming.entry + narString(length)
      try add(status, at: path, to: &scan, &folders)
    }
  }

  /// Counts one node, without its name; notes a folder for later.
  private mutating func add(
    _ status: stat, at path: [CChar], to scan: inout TreeScan, _ folders: inout [[CChar]]
  ) throws(Failure) {
    let size = UInt64(status.st_size)
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      scan.directories += 1
      scan.narSize += NarFraming.directory
      folders.append(path)
    case S_IFREG:
      scan.narSize += NarFraming.file + narString(size)
      if status.st_mode & S_IXUSR != 0 { scan.narSize += NarFraming.executable }
      count(status, size, in: &scan)
    case S_IFLNK:
      scan.symlinks += 1
      scan.nameBytes += size
      scan.narSize += NarFraming.symlink + narString(size)
    default:
      throw .neitherFileNorFolderNorLink(FilePath(platformString: path))
    }
  }

  private mutating func count(_ status: stat, _ size: UInt64, in scan: inout TreeScan) {
    if status.st_nlink > 1 {
      let identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
      guard seen.insert(identity).inserted else {
        scan.hardLinks += 1
        return
      }
    }
    scan.files += 1
    scan.contentBytes += size
    scan.blockBytes += (size + 4095) / 4096 * 4096
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
