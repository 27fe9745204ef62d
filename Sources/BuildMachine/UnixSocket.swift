internal import Glibc
internal import SystemPackage

/// Stream sockets of the Unix domain.
enum UnixSocket {
  /// Connects to a Unix socket on which somebody listens.
  ///
  /// - Throws: `Errno`; `fileNameTooLong` when the path does not fit a socket's address.
  static func connect(to path: FilePath) throws(Errno) -> FileDescriptor {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.string.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .fileNameTooLong }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    let number = Glibc.socket(AF_UNIX, type, 0)
    guard number >= 0 else { throw Errno(rawValue: errno) }
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else {
      let error = Errno(rawValue: errno)
      close(number)
      throw error
    }
    return FileDescriptor(rawValue: number)
  }
}
