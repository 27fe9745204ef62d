internal import Guestfs

/// The files of a filesystem that a machine of libguestfs's reads.
final class GuestfsTree: ReadableTree {
  private let guest: Guestfs
  private let device: String
  private let options: String

  /// - Parameters:
  ///   - device: as the machine names it, such as `/dev/sda2`.
  ///   - kind: what is on it.
  init(_ guest: Guestfs, _ device: String, _ kind: DiskContent) {
    (self.guest, self.device) = (guest, device)
    options = kind == .xfs ? "ro,nouuid" : "ro"
  }

  /// Size and free space, in bytes.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  func usage() throws -> (size: UInt64, free: UInt64) {
    try guest.mount(device, options: options)
    return try guest.usage()
  }

  func node(_ path: String) throws -> TreeNode? {
    try guest.mount(device, options: options)
    guard path != "/" else { return TreeNode(kind: .folder) }
    let name = Array(path.utf8.dropFirst())
    guard !name.contains(0), let status = try guest.status(of: [name]).first ?? nil else { return nil }
    let time = status.modified.first
    switch status.mode & 0o170000 {
    case 0o040000: return TreeNode(kind: .folder, time: time)
    case 0o100000: return TreeNode(kind: .file, size: UInt64(clamping: status.size), time: time)
    case 0o120000:
      return TreeNode(
        kind: .link(target: String(decoding: try guest.target(of: name), as: UTF8.self)), time: time)
    default: return TreeNode(kind: .other, time: time)
    }
  }

  func names(in path: String) throws -> [String] {
    try guest.mount(device, options: options)
    return try guest.names(in: Array(path.utf8)).compactMap { String(validating: $0, as: UTF8.self) }
  }

  func content(_ path: String, at offset: UInt64, count: Int) throws -> [UInt8] {
    try guest.mount(device, options: options)
    return try guest.content(of: Array(path.utf8), at: offset, count: count)
  }
}
