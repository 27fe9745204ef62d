internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension MountFilesystem {
  /// Mounts the partition at its place below the root, and makes the links that udev would make for its
  /// filesystem.
  func run(in context: StepContext) async throws {
    let step = self
    let device = try await onThread { try step.mount(in: context) }
    let found = try await names(of: device, in: context)
    try await onThread { try device.linkByFilesystem(uuid: found.uuid, label: found.label) }
  }

  /// What the plan gave the filesystem; asked of blkid where its own tool chose.
  private func names(
    of device: PartitionDevice, in context: StepContext
  ) async throws -> (uuid: String, label: String) {
    guard filesystem.uuid == nil else { return (filesystem.deviceUUID, filesystem.label) }
    let printed = try await context.commands.run(
      Command("blkid", ["--probe", "--output", "export", device.node]))
    func value(_ name: String) -> String {
      let line = printed.split(separator: "\n").first { $0.hasPrefix(name + "=") }
      return line.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }
    return (value("UUID"), value("LABEL"))
  }

  private func mount(in context: StepContext) throws -> PartitionDevice {
    let mountPoint = filesystem.mountPoint ?? ""
    let components = mountPoint.split(separator: "/")
    guard mountPoint.hasPrefix("/"), !components.contains("..") else {
      throw StepFailure(
        message: "the mount point '\(mountPoint)' is not an absolute path without '..'")
    }
    let device = try context.devices.disk(serial: disk).partition(partition)
    var place = context.root
    if components.isEmpty {
      try Files.makeDirectories(place, below: "")
    } else {
      try Mounts.require(context.root)
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
