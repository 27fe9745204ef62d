internal import Basics
internal import Glibc
internal import InstallSteps

/// `/dev/log`, where programs in the chroot write to the system log.
///
/// NixOS's `switch-to-configuration` gives up when it cannot open the system log, and no log daemon runs in
/// the guest.
enum SystemLog {
  /// Starts to take messages.
  ///
  /// - Throws: `SystemFailure`.
  static func start(at path: String = "/dev/log", _ take: @escaping @Sendable (String) -> Void) throws {
    let socket = try checked("make a socket for \(path)") {
      Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    try checked("bind \(path)") {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, size) }
      }
    }
    try startThread {
      var buffer = [UInt8](repeating: 0, count: 8 << 10)
      while true {
        let count = recv(socket, &buffer, buffer.count, 0)
        if count > 0 { take(text(of: buffer[..<count])) }
      }
    }
  }

  /// A message without the `<priority>` at its start and what ends it.
  private static func text(of message: ArraySlice<UInt8>) -> String {
    var text = message.prefix { $0 != 0 }
    if text.first == UInt8(ascii: "<"), let end = text.firstIndex(of: UInt8(ascii: ">")) {
      text = text[(end + 1)...]
    }
    return String(decoding: text, as: UTF8.self).trimmingNewline
  }
}
