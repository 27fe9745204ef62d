internal import Glibc
internal import SystemPackage

/// A TCP port of 127.0.0.1 that is taken as long as this exists.
package final class LocalPort: Sendable {
  package let number: UInt16
  private let socket: Int32

  /// Takes a free one.
  ///
  /// - Throws: `Errno`.
  package init() throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (descriptor, length) = (socket, size)
    let taken = withUnsafeMutablePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, $0, &size) == 0
      }
    }
    number = UInt16(bigEndian: place.sin_port)
    guard taken else { throw Errno(rawValue: errno) }
  }

  deinit { close(socket) }

  /// One that was free just now.
  ///
  /// - Throws: `Errno`.
  package static func free() throws -> UInt16 { try LocalPort().number }
}
