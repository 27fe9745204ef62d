internal import Basics
internal import CLinux
internal import Glibc
internal import SystemPackage

/// The small file operations that the steps share. All block; paths are absolute.
package enum Files {
  /// Makes a directory, and gives it this mode whether or not it was there.
  static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(SystemFailure) {
    do throws(SystemFailure) {
      try checked("create the directory \(path)") { mkdir(path, mode) }
    } catch  where error.errno == .fileExists {
      guard isDirectory(path) else { throw error }
    }
    // mkdir(2) applies the umask and drops the sticky bit on some filesystems.
    try checked("set the mode of \(path)") { chmod(path, mode) }
  }

  /// Makes a directory and those above it, below a directory that is there.
  static func makeDirectories(_ path: String, below base: String) throws(SystemFailure) {
    var current = base
    for component in path.split(separator: "/") {
      current += "/" + component
      if !isDirectory(current) { try makeDirectory(current) }
    }
  }

  /// Makes a symbolic link, in place of whatever file or link was there.
  static func makeLink(_ path: String, to destination: String) throws(SystemFailure) {
    try removeFile(path)
    try checked("link \(path) to \(destination)") { symlink(destination, path) }
  }

  /// Removes a file or link, and says whether there was one.
  @discardableResult
  static func removeFile(_ path: String) throws(SystemFailure) -> Bool {
    do throws(SystemFailure) {
      try checked("remove \(path)") { unlink(path) }
      return true
    } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
      return false
    }
  }

  /// Makes an empty file if it is not there, and gives it this mode.
  static func makeEmptyFile(_ path: String, mode: mode_t) throws(SystemFailure) {
    let file = try open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, mode: mode)
    defer { close(file) }
    try checked("set the mode of \(path)") { fchmod(file, mode) }
  }

  /// Makes a file with this text and mode, in place of whatever file or link was there.
  static func write(_ text: String, to path: String, mode: mode_t) throws(SystemFailure) {
    try removeFile(path)
    let file = try open(path, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
    defer { close(file) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = try checked("write \(path)") {
        rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Gives an attribute of sysfs a value.
  static func setAttribute(_ path: String, to text: String) throws(SystemFailure) {
    let file = try open(path, O_WRONLY)
    defer { close(file) }
    try checked("write \(path)") { Glibc.write(file, text, text.utf8.count) }
  }

  /// The whole of a small text file; procfs and sysfs files do not know their size.
  package static func text(of path: String) throws(SystemFailure) -> String {
    let file = try open(path, O_RDONLY)
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = try checked("read \(path)") { read(file, &buffer, buffer.count) }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// The names in a directory, sorted.
  package static func names(in path: String) throws(SystemFailure) -> [String] {
    guard let directory = opendir(path) else {
      throw SystemFailure("list \(path)", Errno(rawValue: errno))
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = String(cString: entryName(entry))
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Whether a path names a file, and no link to one.
  static func isRegularFile(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// Whether a path names something when every link on the way, absolute ones too, is followed below `root`.
  static func exists(_ path: String, inRoot root: String) -> Bool {
    guard let directory = try? open(root, O_RDONLY | O_DIRECTORY) else { return false }
    defer { close(directory) }
    let file = slipway_open_in_root(directory, path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    close(file)
    return true
  }

  /// Opens a file; the caller closes it.
  static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(SystemFailure) -> Int32 {
    try checked("open \(path)") { Glibc.open(path, flags | O_CLOEXEC, mode) }
  }
}
