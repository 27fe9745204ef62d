internal import AgentProtocol
internal import CLinux
internal import Glibc
internal import SystemPackage

/// Copies what is in one file, and what is known of it, to a new and empty file.
struct FileCopy {
  var input: Int32
  var output: Int32
  var status: stat
  /// The paths, for messages.
  var source: String
  var destination: String

  /// The most bytes handed to the kernel at once; between two such pieces progress is shown.
  private static let pieceSize: off_t = 8 << 20

  /// - Parameter copied: told the number of bytes after each piece.
  /// - Throws: `SystemFailure`, or `StepFailure` when the file ends before its size.
  func run(copied: (UInt64) -> Void) throws {
    // Blocks are counted in 512 bytes (stat(2)); a file with fewer than its size needs has holes.
    if status.st_blocks * 512 < status.st_size {
      try copyExtents(copied: copied)
    } else {
      try copy(from: 0, to: status.st_size, copied: copied)
    }
    try copyAttributes(from: input, to: output, name: source)
    try setModeAndTime(of: output, from: status, name: destination)
  }

  private func copyExtents(copied: (UInt64) -> Void) throws {
    try checked("set the size of \(destination)") { ftruncate(output, status.st_size) }
    var position: off_t = 0
    while position < status.st_size {
      let start = lseek(input, position, SEEK_DATA)
      if start == -1, errno == ENXIO { return }  // a hole up to the end
      try checked("look for data in \(source)") { start }
      let end = try checked("look for holes in \(source)") { lseek(input, start, SEEK_HOLE) }
      try copy(from: start, to: end, copied: copied)
      position = end
    }
  }

  /// sendfile(2) moves pages inside the kernel; copy_file_range(2) refuses two filesystems.
  private func copy(from start: off_t, to end: off_t, copied: (UInt64) -> Void) throws {
    guard start < end else { return }
    try checked("seek in \(destination)") { lseek(output, start, SEEK_SET) }
    var position = start
    while position < end {
      let size = Int(min(end - position, Self.pieceSize))
      let count = try checked("copy \(source) to \(destination)") {
        CLinux.sendfile(output, input, &position, size)
      }
      guard count > 0 else {
        throw StepFailure(
          message: "\(source) ends after \(position) of \(status.st_size) bytes: the source disk is damaged")
      }
      copied(UInt64(count))
    }
  }
}

/// Gives a new file the mode and the modification time of its source.
func setModeAndTime(of output: Int32, from status: stat, name: String) throws(SystemFailure) {
  var made = stat()
  try checked("look at \(name)") { fstat(output, &made) }
  if made.st_mode != status.st_mode {
    try checked("set the mode of \(name)") { fchmod(output, status.st_mode & 0o7777) }
  }
  try checked("set the time of \(name)") { futimens(output, [status.st_mtim, status.st_mtim]) }
}

/// Copies the extended attributes of a file or directory. A filesystem that has none is no error.
func copyAttributes(from input: Int32, to output: Int32, name: String) throws(SystemFailure) {
  let size = flistxattr(input, nil, 0)
  if size == 0 || (size == -1 && errno == EOPNOTSUPP) { return }
  try checked("list the attributes of \(name)") { size }
  var names = [CChar](repeating: 0, count: size)
  let listed = try checked("list the attributes of \(name)") { flistxattr(input, &names, names.count) }
  for attribute in names[..<listed].split(separator: 0).map({ Array($0) + [0] }) {
    let size = try checked("read an attribute of \(name)") { fgetxattr(input, attribute, nil, 0) }
    var value = [UInt8](repeating: 0, count: size)
    let read = try checked("read an attribute of \(name)") {
      fgetxattr(input, attribute, &value, value.count)
    }
    try checked("set an attribute on the copy of \(name)") { fsetxattr(output, attribute, value, read, 0) }
  }
}
