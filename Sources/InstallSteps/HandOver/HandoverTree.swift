internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
package import ImageModel
internal import SystemPackage

/// Hands over one filesystem, in the order of its paths, but for what the host has poured and nobody has changed.
package final class HandoverTree {
  private let writer: HandoverWriter
  /// The times of the last change of what was poured, in seconds since 1970; empty where nothing was. A kernel sets it anew
  /// at each change of a file and of what is known of it, and no program can set it back.
  private let poured: [Int64]
  /// Their inodes; nil where none can be read at once.
  private var inodes: PouredInodes?
  /// Inodes with several names of which one was met.
  private var firstNames: Set<UInt64> = []

  /// The folder whose entries are whole objects: what is in them is looked at, and not handed over, unless it was changed.
  private static let store = RawPath("nix/store")
  private static let storesParent = RawPath("nix")
  private static let lostAndFound = RawPath("lost+found")

  /// - Parameter disk: the filesystem's bytes, where whole store objects can be looked at in them.
  package init(writer: HandoverWriter, poured: [Int64], disk: ImageBytes? = nil) {
    self.writer = writer
    self.poured = poured
    inodes = disk.flatMap { try? PouredInodes($0, times: poured) }
  }

  /// - Parameter place: where the filesystem is mounted, and nothing is mounted on it.
  package func run(from place: String) throws {
    let root = try OpenDirectory(root: place)
    defer { close(root.descriptor) }
    try addDirectory(RawPath.empty, root)
  }

  private func addDirectory(_ path: RawPath, _ directory: OpenDirectory) throws {
    try add(.directory, path, status: directory.status(), attributesOf: directory.descriptor, directory.path)
    let entries = try directory.sortedNames().map { ($0, try directory.status(of: $0)) }
    if path == Self.store || path == Self.storesParent {
      inodes?.addBounds(entries.map { UInt64($0.1.st_ino) })
    }
    for (name, status) in entries {
      let entry = path.appending(name)
      // Each ext4 filesystem has its own, for e2fsck.
      if entry == Self.lostAndFound { continue }
      guard try !isKept(name, in: directory, path, status) else {
        try writer.add(record(.kept, entry))
        continue
      }
      switch status.st_mode & S_IFMT {
      case S_IFDIR:
        let below = try directory.openDirectory(name)
        defer { close(below.descriptor) }
        try addDirectory(entry, below)
      case S_IFREG: try addFile(entry, name, status, in: directory)
      case S_IFLNK: try addLink(entry, name, status, in: directory)
      case S_IFIFO: try add(.fifo, entry, status: status)
      case S_IFSOCK: try add(.socket, entry, status: status)
      default:
        throw StepFailure(
          message:
            "\(directory.path(of: name)) is a device, and an image has none: the kernel makes them at each boot",
          remedy: "Have the system make it when it starts (systemd.tmpfiles.rules)")
      }
    }
  }

  /// Whether an entry is as the host has poured it: a file by itself, a store object with all that is in it.
  private func isKept(
    _ name: RawPath, in directory: OpenDirectory, _ path: RawPath, _ status: stat
  ) throws -> Bool {
    guard isUntouched(status) else { return false }
    guard status.st_mode & S_IFMT == S_IFDIR else { return true }
    guard path == Self.store else { return false }
    if let inodes, inodes.isUntouched(treeAt: UInt64(status.st_ino)) { return true }
    let object = try directory.openDirectory(name)
    defer { close(object.descriptor) }
    return try isUntouched(within: object)
  }

  private func isUntouched(_ status: stat) -> Bool {
    status.st_ctim.tv_nsec == 0 && poured.contains(Int64(status.st_ctim.tv_sec))
  }

  private func isUntouched(within directory: OpenDirectory) throws -> Bool {
    for name in try directory.names() {
      let status = try directory.status(of: name)
      guard isUntouched(status) else { return false }
      guard status.st_mode & S_IFMT == S_IFDIR else { continue }
      let below = try directory.openDirectory(name)
      defer { close(below.descriptor) }
      guard try isUntouched(within: below) else { return false }
    }
    return true
  }
}

extension HandoverTree {
  private func addFile(_ path: RawPath, _ name: RawPath, _ status: stat, in directory: OpenDirectory) throws {
    let group = status.st_nlink > 1 ? UInt64(status.st_ino) : 0
    if group != 0, !firstNames.insert(group).inserted {
      return try writer.add(record(.link, path) + bytes(of: group))
    }
    let file = try directory.openFile(name)
    defer { close(file) }
    let place = directory.path(of: name)
    let pieces = try pieces(of: file, size: status.st_size, place)
    var bytes = record(.file, path)
    bytes.append(try attributes(status, of: file, place))
    bytes.append(linkGroup: group, size: UInt64(status.st_size), pieces: pieces)
    try writer.add(bytes)
    for piece in pieces {
      try writer.add(from: file, at: piece.position, length: piece.length, named: place)
    }
  }

  /// Where the file has data.
  private func pieces(of file: Int32, size: off_t, _ place: String) throws -> [Handover.Piece] {
    var pieces: [Handover.Piece] = []
    var position: off_t = 0
    while position < size {
      let start = lseek(file, position, SEEK_DATA)
      if start == -1, errno == ENXIO { break }
      // FAT has no holes, and tells of none.
      guard start >= 0 else { return [Handover.Piece(position: 0, length: UInt64(size))] }
      let end = min(try checked("look for holes in \(place)") { lseek(file, start, SEEK_HOLE) }, size)
      guard end > start else { break }
      pieces.append(Handover.Piece(position: UInt64(start), length: UInt64(end - start)))
      position = end
    }
    return pieces
  }

  private func addLink(_ path: RawPath, _ name: RawPath, _ status: stat, in directory: OpenDirectory) throws {
    let target = try directory.destination(ofLink: name)
    var bytes = record(.symbolicLink, path)
    bytes.append(try attributes(status, of: nil, directory.path(of: name)))
    bytes.append(littleEndian: UInt16(clamping: target.bytes.count - 1))
    bytes += target.bytes.dropLast().map(UInt8.init(bitPattern:))
    try writer.add(bytes)
  }

  private func add(
    _ kind: Handover.Kind, _ path: RawPath, status: stat, attributesOf file: Int32? = nil,
    _ place: String = ""
  ) throws {
    var bytes = record(kind, path)
    bytes.append(try attributes(status, of: file, place))
    try writer.add(bytes)
  }

  private func record(_ kind: Handover.Kind, _ path: RawPath) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(kind, path: path.bytes.dropLast().map(UInt8.init(bitPattern:)))
    return bytes
  }

  private func bytes(of group: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: group)
    return bytes
  }

  /// - Parameter file: whose extended attributes go with them; nil for none.
  private func attributes(_ status: stat, of file: Int32?, _ place: String) throws -> Handover.Attributes {
    var attributes = Handover.Attributes(
      mode: UInt16(status.st_mode & 0o7777), user: status.st_uid, group: status.st_gid,
      seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec))
    if let file {
      attributes.extended = try extendedAttributes(of: file, name: place).map { attribute in
        (attribute.name.map(UInt8.init(bitPattern:)), attribute.value)
      }
    }
    return attributes
  }
}
