internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension StepContext {
  /// Mounts the filesystem at its place below the root, and makes the links that udev would make for it.
  func mountFilesystem(on device: BlockDevice, _ filesystem: Filesystem) async throws {
    let device = try await onThread { try mount(device, filesystem) }
    let found = try await names(of: filesystem, on: device)
    try await onThread { try device.linkByFilesystem(uuid: found.uuid, label: found.label) }
  }

  /// What the plan gave the filesystem; asked of blkid where its own tool chose.
  private func names(
    of filesystem: Filesystem, on device: Device
  ) async throws -> (uuid: String, label: String) {
    guard filesystem.uuid == nil else { return (filesystem.deviceUUID, filesystem.label) }
    let printed = try await commands.run(
      Command("blkid", ["--probe", "--output", "export", device.node]))
    func value(_ name: String) -> String {
      let line = printed.split(separator: "\n").first { $0.hasPrefix(name + "=") }
      return line.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }
    return (value("UUID"), value("LABEL"))
  }

  private func mount(_ device: BlockDevice, _ filesystem: Filesystem) throws -> Device {
    let mountPoint = filesystem.mountPoint ?? ""
    let components = mountPoint.split(separator: "/")
    guard mountPoint.hasPrefix("/"), !components.contains("..") else {
      throw StepFailure(
        message: "the mount point '\(mountPoint)' is not an absolute path without '..'")
    }
    let device = try devices.device(device)
    var place = root
    if components.isEmpty {
      try Files.makeDirectories(place, below: "")
    } else {
      try Mounts.require(root)
      try Files.makeDirectories(components.joined(separator: "/"), below: place)
      place += "/" + components.joined(separator: "/")
    }
    try dropCachedBlocks(of: device.node)
    try Mounts.mount(
      device.node, on: place, type: filesystem.kind.rawValue, options: .noAccessTimes,
      data: filesystem.kind.writable?.mountData ?? "")
    return device
  }
}
