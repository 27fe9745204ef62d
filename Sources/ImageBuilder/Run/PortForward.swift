public import Basics
internal import Foundation

/// A TCP port of this machine behind which a port of the guest is.
public struct PortForward: Hashable, Sendable {
  /// The IPv4 address on which this machine listens.
  public var address: String
  /// The port on which this machine listens.
  public var host: UInt16
  /// The port on which the guest listens.
  public var guest: UInt16

  /// Reads `HOST:GUEST`, on 127.0.0.1, or `ADDRESS:HOST:GUEST`.
  ///
  /// - Throws: `Fault` of kind `badInput`.
  public init(_ text: String) throws(Fault) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3 else {
      throw Fault(
        .badInput, "--forward \(text) does not name two ports",
        remedy: "Give HOST:GUEST, such as 2222:22, or ADDRESS:HOST:GUEST")
    }
    let option = "--forward \(text)"
    address =
      parts.count == 3 ? try ListenAddress.address(parts[0], option: option) : ListenAddress.local.address
    host = try ListenAddress.port(parts[parts.count - 2], option: option)
    guest = try ListenAddress.port(parts[parts.count - 1], option: option)
  }

  /// As QEMU's user network takes it.
  var argument: String { "hostfwd=tcp:\(address):\(host)-:\(guest)" }

  private func overlaps(_ other: PortForward) -> Bool {
    host == other.host
      && (address == other.address || [address, other.address].contains(ListenAddress.every))
  }

  /// Makes sure that this machine can listen on all of them.
  ///
  /// - Parameter isLocal: whether it is this machine that will.
  /// - Throws: `Fault` for a port that is named twice, in use, or not this user's to take.
  static func check(_ forwards: [PortForward], isLocal: Bool) throws(Fault) {
    for (index, forward) in forwards.enumerated() {
      if forwards[..<index].contains(where: forward.overlaps) {
        throw Fault(
          .badInput, "the port \(forward.host) of \(forward.address) is forwarded twice",
          remedy: "Give each --forward another port of this machine")
      }
      if isLocal { try forward.checkFree() }
    }
  }

  private func checkFree() throws(Fault) {
    let name = "\(address):\(host)"
    guard let code = bindError() else { return }
    switch code {
    case EADDRINUSE:
      throw Fault(
        .badInput, "the port \(name) is in use", remedy: "Give --forward another port of this machine")
    case EADDRNOTAVAIL:
      throw Fault(
        .badInput, "\(address) is no address of this machine", remedy: "Give --forward one that it has")
    case EACCES:
      throw Fault(
        .hostNotAble, "this user may not listen on the port \(name)",
        remedy: "Give --forward a port from 1024 on")
    default:
      throw Fault(
        .hostNotAble, "could not listen on the port \(name)", cause: String(cString: strerror(code)))
    }
  }

  /// Why this machine cannot listen there; nil where it can. As QEMU does, it takes ports on which connections are not quite over.
  private func bindError() -> Int32? {
    guard let binary = ListenAddress.binary(address) else { return EINVAL }
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return errno }
    defer { close(socket) }
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = host.bigEndian
    place.sin_addr = binary
    let bound = withUnsafePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return bound == 0 && listen(socket, 1) == 0 ? nil : errno
  }
}
