internal import Basics
internal import CGuestfs
internal import Glibc
package import SystemPackage

/// A machine of libguestfs's that has disks and reads their filesystems: no code of this process sees what is on them.
package final class Guestfs {
  /// A disk of the machine.
  package struct Disk: Hashable, Sendable {
    /// Its file.
    package var path: FilePath
    /// Its format, by QEMU's name: one whose other files are known to be the caller's.
    package var format: String
    /// Whether its filesystems can be changed.
    package var isWritable: Bool

    package init(_ path: FilePath, format: String = "raw", isWritable: Bool = false) {
      (self.path, self.format, self.isWritable) = (path, format, isWritable)
    }
  }

  /// What a filesystem says of one path.
  package struct Status: Hashable, Sendable {
    package var inode: Int64
    package var mode: Int64
    package var links: Int64
    package var owner: Int64
    package var group: Int64
    package var device: Int64
    package var size: Int64
    /// Seconds since 1970 and nanoseconds.
    package var accessed: [Int64]
    package var modified: [Int64]
    package var changed: [Int64]
  }

  private let library: GuestfsLibrary
  private let handle: OpaquePointer
  private let scratch: FilePath
  /// What is mounted at the root.
  private var mounted: String?

  private init(_ library: GuestfsLibrary, _ handle: OpaquePointer, _ scratch: FilePath) {
    (self.library, self.handle, self.scratch) = (library, handle, scratch)
  }

  /// Runs `body` with a machine that has disks, `/dev/sda` and so on; it is gone afterwards, and what was written is in
  /// their files.
  ///
  /// Blocks, as everything of it does.
  ///
  /// - Parameters:
  ///   - disks: in the order of their names.
  ///   - emulated: whether the processors are emulated, as KVM does not work.
  ///   - scratch: a folder of the caller's, which gets all that libguestfs writes but its appliance: making that takes seconds,
  ///     and libguestfs keeps it where all programs of the user find it.
  /// - Throws: `Fault`; what `body` throws.
  package static func with<Result>(
    disks: [Disk], emulated: Bool, scratch: FilePath, _ body: (Guestfs) throws -> Result
  ) throws -> Result {
    try checkDescriptors()
    let library = try GuestfsLibrary()
    guard let handle = library.create() else {
      throw Fault(.failed, "libguestfs cannot be started")
    }
    defer { library.close(handle) }
    let guest = Guestfs(library, handle, scratch)
    // Errors are thrown, and not printed.
    library.setErrorHandler(handle, nil, nil)
    try guest.check(library.setTmpdir(handle, scratch.string), "be given a folder")
    try guest.check(library.setBackend(handle, "direct"), "be told to run QEMU itself")
    if emulated { try guest.check(library.setBackendSetting(handle, "force_tcg", "1"), "be told to emulate") }
    for disk in disks { try guest.add(disk) }
    try Cancellation.check()
    try guest.check(
      library.launch(handle), "start its machine",
      remedy: "Run libguestfs-test-tool, which says why; the kernels in /boot have to be readable")
    let result = try body(guest)
    if disks.contains(where: \.isWritable) {
      try guest.unmount()
      try guest.check(library.shutdown(handle), "write what was changed")
    }
    return result
  }

  /// libguestfs waits by select(2), and ends its process on a descriptor for which that has no room (`FD_SETSIZE`, 1,024).
  private static func checkDescriptors() throws(Fault) {
    let next = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { if next >= 0 { close(next) } }
    guard next < 0 || next >= mostDescriptors else { return }
    throw Fault(
      .hostNotAble, "libguestfs cannot be started", cause: "this process has too many files open",
      remedy: "Do less at the same time")
  }

  /// Leaves it some hundred of its own.
  private static let mostDescriptors: CInt = 800

  private func add(_ disk: Disk) throws(Fault) {
    var options = guestfs_add_drive_opts_argv()
    let result = disk.format.withCString { format in
      options.bitmask =
        1 << UInt64(GUESTFS_ADD_DRIVE_OPTS_READONLY) | 1 << UInt64(GUESTFS_ADD_DRIVE_OPTS_FORMAT)
      options.readonly = disk.isWritable ? 0 : 1
      options.format = format
      return library.addDrive(handle, disk.path.string, &options)
    }
    try check(result, "take the disk \(disk.path)")
  }

  private func check(_ result: Int32, _ attempt: String, remedy: String? = nil) throws(Fault) {
    guard result != 0 else { return }
    throw fault(attempt, remedy: remedy)
  }

  private func fault(_ attempt: String, remedy: String? = nil) -> Fault {
    let reason = library.lastError(handle).map { String(cString: $0) } ?? "it does not say why"
    return Fault(.failed, "libguestfs could not \(attempt)", cause: reason, remedy: remedy)
  }

  // MARK: - One filesystem

  /// Runs `body` while a filesystem is mounted.
  ///
  /// - Throws: `Fault`; what `body` throws.
  package func mounting<Result>(_ device: String, options: String, _ body: () throws -> Result) throws
    -> Result
  {
    try mount(device, options: options)
    let result: Result
    do {
      result = try body()
    } catch {
      try? unmount()
      throw error
    }
    try unmount()
    return result
  }

  /// Mounts a filesystem in the place of another one; nothing is done where it is mounted already.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  package func mount(_ device: String, options: String) throws {
    try Cancellation.check()
    guard mounted != device else { return }
    try unmount()
    try check(library.mount(handle, options, device, "/"), "mount \(device)")
    mounted = device
  }

  private func unmount() throws(Fault) {
    guard let device = mounted else { return }
    mounted = nil
    try check(library.umountAll(handle), "unmount \(device)")
  }

  /// Gives a file of what is mounted another content, or makes it.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func write(_ bytes: [UInt8], to path: [UInt8]) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    // One more byte than is written: an empty array has no address.
    let content = bytes.map { CChar(bitPattern: $0) } + [0]
    let result = library.write(handle, place, content, bytes.count)
    try check(result, "write a file")
  }

  /// Gives a part of a file of what is mounted other bytes.
  ///
  /// - Parameters:
  ///   - bytes: at most 1 MiB.
  ///   - path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func write(_ bytes: [UInt8], to path: [UInt8], at offset: UInt64) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    let content = bytes.map { CChar(bitPattern: $0) } + [0]
    let written = library.writeAt(handle, place, content, bytes.count, Int64(clamping: offset))
    guard written >= 0 else { throw fault("write into a file") }
    guard Int(written) == bytes.count else {
      throw Fault(.failed, "libguestfs wrote \(written) of \(bytes.count) bytes of a file")
    }
  }

  /// Makes a file of zeros on what is mounted.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func makeFile(_ path: [UInt8], size: Int32) throws {
    try Cancellation.check()
    let place = path.map { CChar(bitPattern: $0) } + [0]
    try check(library.fill(handle, 0, size, place), "write a file of \(size) bytes")
  }

  /// Removes a file of what is mounted.
  ///
  /// - Parameter path: with a slash in front.
  /// - Throws: `Fault`; `CancellationError`.
  package func remove(_ path: [UInt8]) throws {
    try Cancellation.check()
    try check(library.remove(handle, path.map { CChar(bitPattern: $0) } + [0]), "remove a file")
  }

  /// Size and free space of what is mounted, in bytes.
  ///
  /// - Throws: `Fault`.
  package func usage() throws -> (size: UInt64, free: UInt64) {
    guard let status = library.statvfs(handle, "/") else { throw fault("ask for the free space") }
    defer { library.freeStatvfs(status) }
    let unit = UInt64(clamping: status.pointee.frsize)
    let (size, isTooLarge) = UInt64(clamping: status.pointee.blocks).multipliedReportingOverflow(by: unit)
    let (free, isTooMuch) = UInt64(clamping: status.pointee.bfree).multipliedReportingOverflow(by: unit)
    return (isTooLarge ? .max : size, isTooMuch ? .max : free)
  }

  /// The most bytes of a list that is read.
  private static let largestList = 512 << 20

  private func list(_ attempt: String, _ make: (String) -> Int32) throws -> [UInt8] {
    try Cancellation.check()
    let file = scratch.appending("list")
    defer { _ = file.withPlatformString { unlink($0) } }
    try check(make(file.string), attempt)
    do {
      return try WholeFile.read(file, limit: Self.largestList)
    } catch let failure as PathFailure {
      throw Fault(failure)
    }
  }

  /// Every path below the root of what is mounted, without a slash in front.
  package func paths() throws -> [[UInt8]] {
    let list = try list("list the files") { library.find(handle, "/", $0) }
    return list.split(separator: 0).map { Array($0) }
  }

  /// The names in a folder of what is mounted.
  ///
  /// - Parameter path: with a slash in front.
  package func names(in path: [UInt8]) throws -> [[UInt8]] {
    let place = path.map { CChar(bitPattern: $0) } + [0]
    return try list("list a folder") { library.ls(handle, place, $0) }.split(separator: 0).map { Array($0) }
  }

  /// A part of a file's content; fewer bytes at its end.
  ///
  /// - Parameter path: with a slash in front.
  package func content(of path: [UInt8], at offset: UInt64, count: Int) throws -> [UInt8] {
    let place = path.map { CChar(bitPattern: $0) } + [0]
    let start = Int64(clamping: offset)
    return try list("read a file") { library.download(handle, place, $0, start, Int64(clamping: count)) }
  }

  /// - Parameter paths: without a slash in front; none has a zero byte.
  /// - Returns: nil for a path that is not there.
  package func status(of paths: [[UInt8]]) throws -> [Status?] {
    var result = [Status?](repeating: nil, count: paths.count)
    // libguestfs takes the names of one folder.
    let slashes = paths.map { $0.lastIndex(of: 0x2f) }
    let folders = Dictionary(grouping: paths.indices) { index in
      slashes[index].map { Array(paths[index][..<$0]) } ?? []
    }
    for (folder, indices) in folders {
      let names = indices.map { index in Array(paths[index][(slashes[index].map { $0 + 1 } ?? 0)...]) }
      for (index, status) in zip(indices, try status(of: names, in: folder)) { result[index] = status }
    }
    return result
  }

  /// - Parameters:
  ///   - names: without slashes.
  ///   - folder: without a slash in front; empty for the root.
  private func status(of names: [[UInt8]], in folder: [UInt8]) throws -> [Status?] {
    try Cancellation.check()
    let place = [0x2f] + folder.map { CChar(bitPattern: $0) } + [0]
    return try withStrings(names) { strings in
      guard let list = library.stat(handle, place, strings) else { throw fault("look at the files") }
      defer { library.freeStat(list) }
      guard Int(list.pointee.len) == names.count else { throw fault("look at the files") }
      return (0..<names.count).map { index in
        let status = list.pointee.val[index]
        // What libguestfs says of a path that is gone.
        guard status.st_ino != -1 else { return nil }
        return Status(
          inode: status.st_ino, mode: status.st_mode, links: status.st_nlink, owner: status.st_uid,
          group: status.st_gid, device: status.st_rdev, size: status.st_size,
          accessed: [status.st_atime_sec, status.st_atime_nsec],
          modified: [status.st_mtime_sec, status.st_mtime_nsec],
          changed: [status.st_ctime_sec, status.st_ctime_nsec])
      }
    }
  }

  /// What a link leads to.
  package func target(of path: [UInt8]) throws -> [UInt8] {
    let place = [0x2f] + path.map { CChar(bitPattern: $0) } + [0]
    guard let target = library.readlink(handle, place) else { throw fault("read a link") }
    defer { free(target) }
    return Array(UnsafeBufferPointer(start: target, count: strlen(target)).map { UInt8(bitPattern: $0) })
  }

  /// The extended attributes of a path, by their names.
  package func attributes(of path: [UInt8]) throws -> [String: [UInt8]] {
    let place = [0x2f] + path.map { CChar(bitPattern: $0) } + [0]
    guard let list = library.attributes(handle, place) else { throw fault("read extended attributes") }
    defer { library.freeAttributes(list) }
    var attributes: [String: [UInt8]] = [:]
    for index in 0..<Int(list.pointee.len) {
      let item = list.pointee.val[index]
      guard let name = item.attrname else { continue }
      attributes[String(cString: name)] = UnsafeBufferPointer(
        start: item.attrval, count: Int(item.attrval_len)
      ).map { UInt8(bitPattern: $0) }
    }
    return attributes
  }

  /// SHA-256 of each regular file, in hexadecimal, by its path without a slash in front.
  package func digests() throws -> [[UInt8]: String] {
    let list = try list("read the files") { library.checksums(handle, "sha256", "/", $0) }
    var digests: [[UInt8]: String] = [:]
    for line in list.split(separator: 0x0a) {
      if let (path, digest) = Self.digest(Array(line)) { digests[path] = digest }
    }
    return digests
  }

  /// A line of sha256sum: it begins with a backslash where the name has escapes.
  static func digest(_ line: [UInt8]) -> (path: [UInt8], digest: String)? {
    let isEscaped = line.first == 0x5c
    let line = isEscaped ? line.dropFirst() : line[...]
    guard line.count > 66 else { return nil }
    var path = Array(line.dropFirst(66))
    if isEscaped {
      var plain: [UInt8] = []
      var index = 0
      while index < path.count {
        if path[index] == 0x5c, index + 1 < path.count {
          index += 1
          plain.append(path[index] == 0x6e ? 0x0a : path[index] == 0x72 ? 0x0d : path[index])
        } else {
          plain.append(path[index])
        }
        index += 1
      }
      path = plain
    }
    if path.starts(with: [0x2e, 0x2f]) { path.removeFirst(2) }
    return (path, String(decoding: line.prefix(64), as: UTF8.self))
  }

  /// An array of C strings, as C has it.
  private func withStrings<Result>(
    _ texts: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) throws -> Result
  ) throws -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { text in
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count + 1)
      for (index, byte) in text.enumerated() { copy[index] = CChar(bitPattern: byte) }
      copy[text.count] = 0
      return copy
    }
    pointers.append(nil)
    defer { pointers.forEach { $0?.deallocate() } }
    return try pointers.withUnsafeBufferPointer { buffer in
      guard let start = buffer.baseAddress else { throw Fault(.failed, "there is nothing to ask for") }
      return try body(start)
    }
  }
}
