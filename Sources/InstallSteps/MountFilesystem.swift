internal import AgentProtocol
internal import ImageModel
internal import Threads

extension MountFilesystem {
  /// Mounts the partition at its place below the root, and makes the links that udev would make for its
  /// filesystem.
  func run(in context: StepContext) async throws {
    let step = self
    try await onThread { try step.mount(in: context) }
  }

  private func mount(in context: StepContext) throws {
    let components = filesystem.mountPoint.split(separator: "/")
    guard filesystem.mountPoint.hasPrefix("/"), !components.contains("..") else {
      throw StepFailure(
        message: "the mount point '\(filesystem.mountPoint)' is not an absolute path without '..'")
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
      data: filesystem.kind.mountData)
    try device.linkByFilesystem(filesystem)
  }
}

extension FilesystemKind {
  /// Options of the filesystem's own.
  fileprivate var mountData: String {
    switch self {
    case .ext4, .xfs, .btrfs, .erofs, .squashfs: ""
    // FAT stores no modes, so this leaves no trace in the image; but bootctl warns of a random seed that
    // others could read, and nobody but root works in the guest.
    case .vfat: "umask=0077"
    }
  }
}
