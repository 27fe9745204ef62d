internal import Basics
internal import Glibc
internal import SystemPackage

/// A path or a name as the kernel has it: bytes, which need not be UTF-8, with a NUL at the end.
struct RawPath: Hashable, Sendable {
  private(set) var bytes: [CChar]

  static let empty = RawPath(bytes: [0])
  fileprivate static let here = RawPath(bytes: [CChar(UInt8(ascii: ".")), 0])
  fileprivate static let parent = RawPath(bytes: [CChar(UInt8(ascii: ".")), CChar(UInt8(ascii: ".")), 0])

  fileprivate init(bytes: [CChar]) {
    self.bytes = bytes
  }

  init(_ text: String) {
    bytes = text.utf8.map(CChar.init(bitPattern:)) + [0]
  }

  fileprivate init(pointer: UnsafePointer<CChar>) {
    bytes = Array(UnsafeBufferPointer(start: pointer, count: strlen(pointer) + 1))
  }

  func appending(_ name: RawPath) -> RawPath {
    guard bytes.count > 1 else { return name }
    return RawPath(bytes: bytes.dropLast() + [CChar(UInt8(ascii: "/"))] + name.bytes)
  }
}

extension RawPath: Comparable {
  static func < (left: RawPath, right: RawPath) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
  }
}

extension RawPath: CustomStringConvertible {
  var description: String {
    String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// An open directory whose entries are reached relative to it, never through a link. The owner closes
/// `descriptor`.
struct OpenDirectory {
  let descriptor: Int32
  /// The path, for messages.
  let path: String
  /// The root's descriptor that `path` belongs to; its own in a root.
  private let root: Int32

  init(root path: String) throws(SystemFailure) {
    descriptor = try Files.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    self.path = path
    root = descriptor
  }

  private init(descriptor: Int32, path: String, root: Int32) {
    self.descriptor = descriptor
    self.path = path
    self.root = root
  }

  /// Opens a directory below this one; the empty path is this one.
  func openDirectory(_ relative: RawPath) throws(SystemFailure) -> OpenDirectory {
    let target = relative == .empty ? RawPath.here : relative
    let name = relative == .empty ? path : self.path(of: relative)
    let opened = try checked("open the directory \(name)") {
      openat(descriptor, target.bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    }
    return OpenDirectory(descriptor: opened, path: name, root: descriptor)
  }

  func path(of name: RawPath) -> String { "\(path)/\(name)" }

  /// The names in this directory in the order of their bytes.
  func sortedNames() throws(SystemFailure) -> [RawPath] { try names().sorted() }

  /// The names in this directory as the filesystem gives them.
  func names() throws(SystemFailure) -> [RawPath] {
    // fdopendir takes the descriptor over.
    let duplicate = try checked("list \(path)") { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
    guard let stream = fdopendir(duplicate) else {
      let code = errno
      close(duplicate)
      throw SystemFailure("list \(path)", Errno(rawValue: code))
    }
    defer { closedir(stream) }
    var names: [RawPath] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = RawPath(pointer: entryName(entry))
      if name != .here, name != .parent { names.append(name) }
    }
    guard errno == 0 else { throw SystemFailure("list \(path)", Errno(rawValue: errno)) }
    return names
  }

  func status() throws(SystemFailure) -> stat {
    var status = stat()
    try checked("look at \(path)") { fstat(descriptor, &status) }
    return status
  }

  func status(of name: RawPath) throws(SystemFailure) -> stat {
    var status = stat()
    try checked("look at \(path(of: name))") {
      fstatat(descriptor, name.bytes, &status, AT_SYMLINK_NOFOLLOW)
    }
    return status
  }

  /// Opens a file to read; the caller closes it.
  func openFile(_ name: RawPath) throws(SystemFailure) -> Int32 {
    try checked("open \(path(of: name))") {
      openat(descriptor, name.bytes, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    }
  }

  /// Makes a file and opens it to write; the caller closes it.
  func createFile(_ name: RawPath, mode: mode_t) throws(SystemFailure) -> Int32 {
    try checked("create \(path(of: name))") {
      openat(descriptor, name.bytes, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0o777)
    }
  }

  /// Makes a directory, unless another filesystem is mounted there or on the way to there.
  func makeDirectory(_ name: RawPath) throws(SystemFailure) {
    do {
      try checked("create the directory \(path(of: name))") { mkdirat(descriptor, name.bytes, 0o700) }
    } catch  where error.errno == .fileExists {
      guard try status(of: name).st_mode & S_IFMT == S_IFDIR else { throw error }
    }
  }

  /// Makes another link to a file that lies at `first` below the root.
  ///
  /// - Returns: false where there can be none: the file is on another filesystem, has all the links that it can have,
  ///   or its filesystem, such as FAT, has no links (link(2)).
  func makeHardLink(_ name: RawPath, to first: RawPath) throws(SystemFailure) -> Bool {
    do {
      try checked("link \(path(of: name)) to \(first)") {
        linkat(root, first.bytes, descriptor, name.bytes, 0)
      }
      return true
    } catch  where [.improperLink, .tooManyLinks, .notPermitted].contains(error.errno) {
      return false
    }
  }

  /// Gives an entry to another user and group; a link itself, not what it leads to.
  func setOwner(
    of name: RawPath, user: uid_t, group: gid_t, keepingModeOf status: stat
  ) throws(SystemFailure) {
    try checked("set the owner of \(path(of: name))") {
      fchownat(descriptor, name.bytes, user, group, AT_SYMLINK_NOFOLLOW)
    }
    // Last: a new owner takes the set-user-id and set-group-id bits away.
    guard status.st_mode & S_IFMT != S_IFLNK else { return }
    try checked("set the mode of \(path(of: name))") {
      fchmodat(descriptor, name.bytes, status.st_mode & 0o7777, 0)
    }
  }

  func destination(ofLink name: RawPath) throws(SystemFailure) -> RawPath {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    try checked("read the link \(path(of: name))") {
      readlinkat(descriptor, name.bytes, &buffer, buffer.count - 1)
    }
    return RawPath(pointer: buffer)
  }

  /// Makes a link with the owner and time of another.
  func makeLink(_ name: RawPath, to destination: RawPath, like status: stat) throws(SystemFailure) {
    try checked("create the link \(path(of: name))") { symlinkat(destination.bytes, descriptor, name.bytes) }
    if status.st_uid != getuid() || status.st_gid != getgid() {
      try checked("set the owner of \(path(of: name))") {
        fchownat(descriptor, name.bytes, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW)
      }
    }
    let time = status.st_mtim
    try checked("set the time of \(path(of: name))") {
      utimensat(descriptor, name.bytes, [time, time], AT_SYMLINK_NOFOLLOW)
    }
  }
}
