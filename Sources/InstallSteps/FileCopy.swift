internal import AgentProtocol
internal import CLinux
internal import Glibc
internal import SystemPackage

/// Copies what is in one file, and what is known of it, to a new and empty file.
struct FileCopy {
  var name: RawPath
  var status: stat
  var from: OpenDirectory
  var to: OpenDirectory
  /// The new file.
  var output: Int32

  /// The most bytes handed to the kernel at once; between two such pieces progress is shown.
  private static let pieceSize = CopyBuffer.size

  /// - Parameter copied: told the number of bytes after each piece.
  /// - Throws: `SystemFailure`, or `StepFailure` when the file ends before its size.
  func run(buffer: CopyBuffer, copied: (UInt64) -> Void) throws {
    let input = try from.openFile(name)
    defer { close(input) }
    // Blocks are counted in 512 bytes (stat(2)); a file with fewer than its size needs has holes.
    if status.st_blocks * 512 < status.st_size {
      try copyExtents(of: input, copied: copied)
    } else {
      let isDone =
        try status.st_size >= off_t(CopyBuffer.worthwhile)
        && copyDirectly(from: input, through: buffer, copied: copied)
      if !isDone { try copy(input, from: 0, to: status.st_size, copied: copied) }
    }
    try copyAttributes(from: input, to: output, name: from.path(of: name))
    try setOwnerModeAndTime(of: output, from: status, name: to.path(of: name))
  }

  private func copyExtents(of input: Int32, copied: (UInt64) -> Void) throws {
    try setSize()
    var position: off_t = 0
    while position < status.st_size {
      let start = lseek(input, position, SEEK_DATA)
      if start == -1, errno == ENXIO { return }  // a hole up to the end
      try checked("look for data in \(from.path(of: name))") { start }
      let end = try checked("look for holes in \(from.path(of: name))") { lseek(input, start, SEEK_HOLE) }
      try checked("seek in \(to.path(of: name))") { lseek(output, start, SEEK_SET) }
      try copy(input, from: start, to: end, copied: copied)
      position = end
    }
  }

  /// Copies past the page cache, which takes a fifth of the time under emulation: the disks read and write
  /// the buffer, and the emulated processor touches no byte.
  ///
  /// - Returns: false when a filesystem cannot do that; nothing is copied then.
  private func copyDirectly(
    from input: Int32, through buffer: CopyBuffer, copied: (UInt64) -> Void
  ) throws -> Bool {
    guard setDirect(input), setDirect(output) else { return false }
    var position: off_t = 0
    while position < status.st_size {
      let count = read(input, buffer.start, CopyBuffer.size)
      if count == -1, errno == EINVAL, position == 0 {
        clearDirect(input)
        clearDirect(output)
        return false
      }
      try checked("read \(from.path(of: name))") { count }
      guard count > 0 else { throw endsEarly(at: position) }
      // Whole blocks are written; what is too much at the end is cut off again.
      let whole = buffer.zeroUpToBlock(after: count)
      var done = 0
      while done < whole {
        done += try checked("write \(to.path(of: name))") { write(output, buffer.start + done, whole - done) }
      }
      position += off_t(count)
      copied(UInt64(count))
    }
    clearDirect(output)
    try setSize()
    return true
  }

  /// sendfile(2) moves pages inside the kernel; copy_file_range(2) refuses two filesystems.
  private func copy(_ input: Int32, from start: off_t, to end: off_t, copied: (UInt64) -> Void) throws {
    var position = start
    while position < end {
      let size = Int(min(end - position, off_t(Self.pieceSize)))
      let count = try checked("copy \(from.path(of: name)) to \(to.path(of: name))") {
        sendfile(output, input, &position, size)
      }
      guard count > 0 else { throw endsEarly(at: position) }
      copied(UInt64(count))
    }
  }

  private func setSize() throws(SystemFailure) {
    try checked("set the size of \(to.path(of: name))") { ftruncate(output, status.st_size) }
  }

  private func endsEarly(at position: off_t) -> StepFailure {
    StepFailure(
      message: "\(from.path(of: name)) ends after \(position) of \(status.st_size) bytes: "
        + "the source disk is damaged")
  }
}

/// Memory that disks can read into and write from.
final class CopyBuffer {
  static let size = 4 << 20
  /// The smallest file that gains from going past the page cache, in bytes.
  static let worthwhile = 128 << 10
  private static let block = 4096

  let start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: block)

  deinit {
    start.deallocate()
  }

  /// Fills up the last block of the first `count` bytes.
  ///
  /// - Returns: the number of bytes with that block in full.
  func zeroUpToBlock(after count: Int) -> Int {
    let whole = (count + Self.block - 1) / Self.block * Self.block
    memset(start + count, 0, whole - count)
    return whole
  }
}

private func setDirect(_ file: Int32) -> Bool {
  fcntl(file, F_SETFL, slipway_O_DIRECT) == 0
}

private func clearDirect(_ file: Int32) {
  _ = fcntl(file, F_SETFL, 0)
}

/// Gives a new file or directory the mode and the modification time of its source.
func setOwnerModeAndTime(
  of output: Int32, from status: stat, name: @autoclosure () -> String
) throws(SystemFailure) {
  // Before the mode: a new owner takes the set-user-id bit away.
  if status.st_uid != getuid() || status.st_gid != getgid() {
    try checked("set the owner of \(name())") { fchown(output, status.st_uid, status.st_gid) }
  }
  try checked("set the mode of \(name())") { fchmod(output, status.st_mode & 0o7777) }
  try checked("set the time of \(name())") { futimens(output, [status.st_mtim, status.st_mtim]) }
}

/// Copies the extended attributes of a file or directory. A filesystem that has none is no error.
func copyAttributes(
  from input: Int32, to output: Int32, name: @autoclosure () -> String
) throws(SystemFailure) {
  for (attribute, value) in try extendedAttributes(of: input, name: name()) {
    try checked("set an attribute on the copy of \(name())") {
      fsetxattr(output, attribute + [0], value, value.count, 0)
    }
  }
}

/// The extended attributes of a file or directory, in the order of their names. A filesystem that has none is no error.
func extendedAttributes(
  of input: Int32, name: @autoclosure () -> String
) throws(SystemFailure) -> [(name: [CChar], value: [UInt8])] {
  let size = flistxattr(input, nil, 0)
  if size == 0 || (size == -1 && errno == EOPNOTSUPP) { return [] }
  try checked("list the attributes of \(name())") { size }
  var names = [CChar](repeating: 0, count: size)
  let listed = try checked("list the attributes of \(name())") { flistxattr(input, &names, names.count) }
  var attributes: [(name: [CChar], value: [UInt8])] = []
  for attribute in names[..<listed].split(separator: 0).map(Array.init) {
    let size = try checked("read an attribute of \(name())") { fgetxattr(input, attribute + [0], nil, 0) }
    var value = [UInt8](repeating: 0, count: size)
    let read = try checked("read an attribute of \(name())") {
      fgetxattr(input, attribute + [0], &value, value.count)
    }
    attributes.append((attribute, Array(value.prefix(read))))
  }
  return attributes.sorted { left, right in
    left.name.lexicographicallyPrecedes(right.name) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
  }
}
