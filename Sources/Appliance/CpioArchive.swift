internal import Basics
internal import Foundation
internal import SystemPackage

/// One node of the initramfs.
struct ArchiveEntry: Hashable {
  /// What the node is.
  enum Node: Hashable {
    case folder
    case file(FilePath, executable: Bool)
    case bytes([UInt8])
    case link(String)
    case characterDevice(major: UInt32, minor: UInt32)
  }

  /// Relative to the root, without a leading slash.
  var path: String
  var node: Node
}

/// Writes the archive format that the kernel unpacks ("newc", Documentation/driver-api/early-userspace).
///
/// The bytes depend on the entries only: root owns everything, times are 0, inode numbers count from 1.
/// `cpio --reproducible` would need a staged tree, and root for the device node.
struct CpioArchive {
  private let file: FileDescriptor
  private let path: FilePath
  private var inode: UInt32 = 0

  /// Writes all entries, sorted by path, to a new file.
  ///
  /// - Throws: `Fault` for a source that cannot be read or is too long for the format (4 GiB),
  ///   and for a failed write.
  static func write(_ entries: [ArchiveEntry], to path: FilePath) throws {
    let file = try onFile(path) {
      try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    }
    try onFile(path) {
      try file.closeAfter {
        var archive = CpioArchive(file: file, path: path)
        for entry in entries.sorted(by: { $0.path < $1.path }) { try archive.append(entry) }
        try archive.append(name: "TRAILER!!!", mode: 0)
      }
    }
  }

  private mutating func append(_ entry: ArchiveEntry) throws {
    switch entry.node {
    case .folder:
      try append(name: entry.path, mode: 0o040755, links: 2)
    case .file(let source, let executable):
      let data = try contents(of: source)
      guard data.count <= UInt32.max else {
        throw Fault.file(source, reason: "it is longer than the 4 GiB an initramfs can hold")
      }
      try append(name: entry.path, mode: executable ? 0o100755 : 0o100644, data: data)
    case .bytes(let bytes):
      try append(name: entry.path, mode: 0o100644, data: bytes)
    case .link(let target):
      try append(name: entry.path, mode: 0o120777, data: Array(target.utf8))
    case .characterDevice(let major, let minor):
      try append(name: entry.path, mode: 0o020600, device: (major, minor))
    }
  }

  private mutating func append(
    name: String, mode: UInt32, links: UInt32 = 1, data: [UInt8] = [], device: (UInt32, UInt32) = (0, 0)
  ) throws {
    inode += 1
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    let fields = [
      inode, mode, 0, 0, links, 0, UInt32(data.count), 0, 0, device.0, device.1, UInt32(name.utf8.count + 1),
      0,
    ]
    var head = Array("070701".utf8)
    for field in fields {
      head += Array(Hexadecimal.text(field.bigEndianBytes).uppercased().utf8)
    }
    head += Array(name.utf8) + [0]
    head += padding(after: head.count)
    try file.writeAll(head)
    try file.writeAll(data)
    try file.writeAll(padding(after: data.count))
  }
}

private func padding(after count: Int) -> [UInt8] {
  Array(repeating: 0, count: (4 - count % 4) % 4)
}
