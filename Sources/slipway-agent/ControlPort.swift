internal import AgentProtocol
internal import Basics
internal import Glibc
internal import InstallSteps

/// The agent's virtio-serial port.
struct ControlPort: Sendable {
  let descriptor: Int32

  /// Finds the port by its name, makes the link that udev would make, and opens it.
  ///
  /// - Throws: `Fault` when there is no such port within thirty seconds, `SystemFailure`.
  static func open() throws -> ControlPort {
    let ports = "/sys/class/virtio-ports"
    // The host announces its ports one by one, with their names, some time after the driver has started.
    for _ in 0..<6000 {
      for device in (try? Files.names(in: ports)) ?? [] {
        guard let name = try? Files.text(of: "\(ports)/\(device)/name"),
          name.trimmingNewline == AgentProtocol.portName
        else { continue }
        mkdir("/dev/virtio-ports", 0o755)
        let link = "/dev/virtio-ports/\(AgentProtocol.portName)"
        symlink("../\(device)", link)
        return ControlPort(
          descriptor: try checked("open \(link)") { Glibc.open(link, O_RDWR | O_CLOEXEC) })
      }
      usleep(5_000)
    }
    throw Fault(.failed, "the machine has no virtio-serial port named \(AgentProtocol.portName)")
  }

  /// Hands over every message until the host closes the port in a session that has begun. Blocks.
  ///
  /// - Parameters:
  ///   - hasBegun: whether a host that closes the port is one that is gone. Before, another one may come, as it does to a guest
  ///     that was saved and is restored.
  ///   - handle: takes a message.
  /// - Throws: `FrameError` at the first bytes that are no message, `SystemFailure`,
  ///   and what `handle` throws.
  func readMessages(
    hasBegun: () -> Bool, _ handle: (HostMessage) throws -> Void
  ) throws {
    var decoder = FrameDecoder<HostMessage>()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    // A port that no host has opened yet reads as ended; so does one that its host has closed.
    var patience = 6000
    while true {
      let count = try checked("read the agent's port") { read(descriptor, &buffer, buffer.count) }
      if count > 0 {
        for message in try decoder.push(buffer[..<count]) { try handle(message) }
      } else if hasBegun() {
        return try decoder.finish()
      } else {
        decoder = FrameDecoder()
        patience -= 1
        guard patience > 0 else {
          throw Fault(.failed, "no host has opened the agent's port within two minutes")
        }
        usleep(20_000)
      }
    }
  }

  /// Writes all of the bytes. Blocks while the host does not read.
  func write(_ bytes: [UInt8]) throws(SystemFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = try checked("write to the agent's port") {
        rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(count)
    }
  }
}
