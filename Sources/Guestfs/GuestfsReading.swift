internal import Basics
internal import CGuestfs
internal import Glibc
internal import SystemPackage

/// What is read of a filesystem that is mounted.
extension Guestfs {
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
