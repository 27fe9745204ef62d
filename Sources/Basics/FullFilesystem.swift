internal import Glibc
package import SystemPackage

/// A filesystem of this machine that has no room left: which one, what it has and what was needed.
package struct FullFilesystem: Hashable, Sendable {
  /// The path that was written to.
  package var path: FilePath
  /// Where its filesystem is mounted.
  package var mountPoint: FilePath
  /// What the kernel said: no space, or a quota.
  package var reason: Errno
  /// Bytes that this user can still write; nil when it cannot be told.
  package var have: UInt64?
  /// Whether it has room for bytes, and none for another file.
  package var lacksInodes: Bool
  /// Bytes that are needed; nil when nobody knows.
  package var need: UInt64?

  /// Looks at the filesystem of a path, which need not be there any more.
  package init(of path: FilePath, reason: Errno = .noSpace, need: UInt64? = nil) {
    let place = Self.existing(path)
    self.path = path
    self.reason = reason
    self.need = need
    mountPoint = Self.mountPoint(of: place)
    let space = FilesystemSpace(of: place)
    have = space?.available
    lacksInodes = space.map { $0.freeInodes == 0 && $0.inodes > 0 } ?? false
  }

  /// A filesystem with less room than this is full: tools write in pieces, and some give back what they wrote last.
  private static let leastRoom: UInt64 = 1 << 20

  /// Whether nothing can be written to the filesystem of `place` now.
  package static func isFull(_ place: FilePath) -> Bool {
    guard let space = FilesystemSpace(of: place) else { return false }
    return space.available < leastRoom || (space.inodes > 0 && space.freeInodes == 0)
  }

  package var remedy: String {
    switch reason {
    case .diskQuotaExceeded: "Free some of this user's space there, or have the quota raised"
    case _ where lacksInodes: "Remove files there, or use another filesystem"
    default: "Free some space there, or use another filesystem"
    }
  }

  private static func existing(_ path: FilePath) -> FilePath {
    var place = path
    var status = stat()
    while stat(place.string, &status) != 0, place.removeLastComponent() {}
    return place.isEmpty ? "." : place
  }

  /// The topmost folder on the same device.
  private static func mountPoint(of place: FilePath) -> FilePath {
    guard let resolved = realpath(place.string, nil) else { return place }
    defer { free(resolved) }
    var path = FilePath(String(cString: resolved))
    var status = stat()
    guard stat(path.string, &status) == 0 else { return place }
    let device = status.st_dev
    while true {
      let parent = path.removingLastComponent()
      guard parent != path, stat(parent.string, &status) == 0, status.st_dev == device else { return path }
      path = parent
    }
  }
}

extension FullFilesystem: CustomStringConvertible {
  /// The cause, in one line.
  package var description: String {
    let place =
      mountPoint == path ? "the filesystem \(mountPoint)" : "the filesystem \(mountPoint), which has \(path),"
    var text =
      switch reason {
      case .diskQuotaExceeded: "the disk quota of this user on \(place) is used up"
      case _ where lacksInodes: "\(place) is full: it has no inode left"
      default: "\(place) is full"
      }
    if let have, !lacksInodes { text += ": \(Self.text(have)) free" }
    if let need { text += ", and \(Self.text(need)) needed" }
    return text
  }

  private static func text(_ bytes: UInt64) -> String {
    bytes < 10 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
  }
}

/// What statvfs(3) says of a filesystem.
package struct FilesystemSpace: Hashable, Sendable {
  /// Bytes that this user can still write.
  package var available: UInt64
  package var freeInodes: UInt64
  /// All inodes; 0 on a filesystem that does not count them.
  package var inodes: UInt64

  /// - Returns: nil when the path is not there.
  package init?(of path: FilePath) {
    var status = statvfs()
    guard path.withPlatformString({ statvfs($0, &status) }) == 0 else { return nil }
    // What is kept for root is root's.
    let blocks = UInt64(geteuid() == 0 ? status.f_bfree : status.f_bavail)
    available = blocks.multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
    freeInodes = UInt64(status.f_ffree)
    inodes = UInt64(status.f_files)
  }
}

extension Errno {
  /// Whether the filesystem has no room, or this user's part of it.
  package var isLackOfSpace: Bool { self == .noSpace || self == .diskQuotaExceeded }
}
