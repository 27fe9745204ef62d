internal import Foundation
internal import ImageModel
package import Libvirt

/// A disk of the guest's that the host could not read or write, with what was found out about that at once: once the
/// build is cleaned up, its filesystem has room again.
package struct DiskFault: Hashable, Sendable {
  /// What the hypervisor said.
  package var error: DiskError
  /// The free bytes of the filesystem that the disk's file is on; nil when they are not known.
  var free: UInt64?

  /// Below this much room a filesystem is full for a disk that grows by clusters of 64 KiB and their tables.
  private static let leastRoom: UInt64 = 1 << 20

  /// Looks at the host's filesystem now.
  init(_ error: DiskError) {
    self.init(error, free: Self.freeSpace(at: error.path))
  }

  init(_ error: DiskError, free: UInt64?) {
    self.error = error
    self.free = free
  }

  /// libvirt does not always tell, so the filesystem is looked at too.
  private var isFull: Bool { error.reason == "enospc" || (free ?? .max) < Self.leastRoom }

  /// What to do; nil when the cause is not known.
  var remedy: String? {
    guard isFull else { return nil }
    let folder = (error.path as NSString).deletingLastPathComponent
    return "Make room on the host's filesystem that holds \(folder), or build in another folder (--out)"
  }

  private static func freeSpace(at path: String) -> UInt64? {
    var status = statvfs()
    guard !path.isEmpty, statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? nil : bytes
  }
}

extension DiskFault: CustomStringConvertible {
  package var description: String {
    let what = error.path.isEmpty ? "the guest's disk \(error.device)" : error.path
    guard isFull else {
      let reason = error.reason.isEmpty ? "the host's kernel log may say why" : error.reason
      let room = free.map { "; its filesystem has \(ByteSize(bytes: $0)) free" } ?? ""
      return "the host could not read or write \(what): \(reason)\(room)"
    }
    let room = free.map { ": \(ByteSize(bytes: $0)) are free" } ?? ""
    return "the host could not write \(what): the host's filesystem that it is on is full\(room)"
  }
}
