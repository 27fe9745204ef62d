public import ImageModel

/// One thing the agent does, fully decided by the plan. The one step that runs a free-form command is the spec's own script.
///
/// A `system` is a toplevel's store path.
package enum InstallStep: Hashable, Codable, Sendable {
  /// Write the partition table, re-read it, and compare it with the layout.
  case partitionDisk(disk: BlockDevice, layout: DiskLayout)
  /// Take a disk that has its table already: check that the kernel has the layout's partitions where they are.
  case adoptDisk(disk: BlockDevice, layout: DiskLayout)
  /// Make one filesystem, with further words for the tool that makes it.
  case makeFilesystem(on: BlockDevice, filesystem: Filesystem, options: [String])
  /// Mount one filesystem at its place below the target's root; the root comes first.
  case mountFilesystem(on: BlockDevice, filesystem: Filesystem)
  /// Copy the root's tree from a read-only filesystem, with so many copies side by side. `content` is what all of it
  /// takes, for the message when there is no room.
  case copyTree(from: BlockDevice, type: FilesystemKind, workers: Int, content: ByteSize)
  /// Add the store paths of a read-only filesystem to the root's store, and give the root that filesystem's Nix database, so
  /// that a power cut leaves the store and its database as they were, or as they are to be. `workers` and `content` are as
  /// for `copyTree`.
  case addStorePaths(from: BlockDevice, type: FilesystemKind, workers: Int, content: ByteSize)
  /// Make a system a generation of a profile, and that the one that the profile is at; and mark the root as NixOS.
  ///
  /// - Parameters:
  ///   - profile: the absolute path of the profile's link, as the target sees it.
  ///   - generation: the number, from 1 on.
  ///   - time: of the profile's links, in seconds since 1970.
  case setSystemProfile(system: String, profile: String, generation: Int, time: Int64)
  /// Run the system's activation and its tmpfiles in the chroot.
  case activate(system: String)
  /// Give paths to users and groups of the target system, in this order.
  case setOwners(system: String, paths: [OwnedPath])
  /// Run the system's own `switch-to-configuration boot` in the chroot.
  ///
  /// - Parameters:
  ///   - installsLoader: whether the bootloader itself is installed (`NIXOS_INSTALL_BOOTLOADER`); or else the one that is there
  ///     gets the system's entries.
  ///   - touchEFIVariables: whether EFI variables are reachable in the chroot.
  ///   - disk: what is installed to.
  ///   - diskNames: the paths by which the system's configuration knows that disk, where they are not the kernel's.
  ///   - bootFiles: what it copies at least: kernels and initrds of all generations. For the message when there is no room.
  case installBootLoader(
    system: String, installsLoader: Bool, touchEFIVariables: Bool, disk: BlockDevice, diskNames: [String],
    bootFiles: ByteSize)
  /// Run a script of the spec's author, for the target's `/bin/sh`, in the chroot.
  case runScript(system: String, script: String)
  /// Write everything that is mounted back to its disk, so that no later step is on it before this one's predecessors.
  case writeBack
  /// Unmount everything, flush the disk. What is one machine's own stays, but for files at `removed`, which were not there before.
  case unmount(disk: BlockDevice, removed: [String])
  /// Remove what must not be shared between machines, unmount everything, flush the disk. `kept` are absolute paths of
  /// `machineState` that stay, because the spec's contents have brought them.
  case finish(disk: BlockDevice, kept: [String])
  /// In the place of `finish`: remove what must not be shared between machines, and write what was installed onto a disk
  /// of its own (`Handover`). The host makes the image from that, and what the guest wrote to the target is thrown away.
  case handOver(to: BlockDevice, trees: [HandedTree], regions: [DiskRegion], kept: [String])
}

/// A filesystem of the target that is handed over.
public struct HandedTree: Hashable, Codable, Sendable {
  /// Where it is mounted below the target's root.
  public var mountPoint: String
  /// The times of the last change, in seconds since 1970, by which a file that the host has poured is told; empty for a
  /// filesystem into which nothing was poured.
  public var poured: [Int64]

  /// Describes a filesystem.
  public init(mountPoint: String, poured: [Int64] = []) {
    self.mountPoint = mountPoint
    self.poured = poured
  }
}

/// Bytes of a disk that are in no filesystem, such as boot code.
public struct DiskRegion: Hashable, Codable, Sendable {
  /// What they are on: the disk, or a partition that they fill.
  public var device: BlockDevice
  /// Where they begin on the device.
  public var offset: ByteSize
  /// How many there are.
  public var length: ByteSize

  /// Describes a region.
  public init(device: BlockDevice, offset: ByteSize, length: ByteSize) {
    self.device = device
    self.offset = offset
    self.length = length
  }
}

/// A path of the target, and whose the marked files there are.
package struct OwnedPath: Hashable, Codable, Sendable {
  /// The absolute path. The marked files are at it and in it.
  package var path: String
  /// A name that the target knows, or a number.
  package var user: String
  /// A name that the target knows, or a number.
  package var group: String
  /// The number of user and group that the files have until now.
  package var marker: UInt32

  package init(path: String, user: String, group: String, marker: UInt32) {
    self.path = path
    self.user = user
    self.group = group
    self.marker = marker
  }
}

extension InstallStep {
  /// Files that identify one machine or seed its random numbers, on any filesystem. Two images must not share them,
  /// and each machine makes its own at its first boot.
  package static let machineState = [
    "etc/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    // NixOS makes those that its sshd is told of (services.openssh.hostKeys), of these names by default.
    "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub",
    "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/ssh/ssh_host_ecdsa_key", "etc/ssh/ssh_host_ecdsa_key.pub",
    // On the ESP, by bootctl.
    "loader/random-seed",
  ]

  /// The step's name, as the wire, the plan and the progress lines spell it.
  package var name: String {
    switch self {
    case .partitionDisk: "partitionDisk"
    case .adoptDisk: "adoptDisk"
    case .makeFilesystem: "makeFilesystem"
    case .mountFilesystem: "mountFilesystem"
    case .copyTree: "copyTree"
    case .addStorePaths: "addStorePaths"
    case .setSystemProfile: "setSystemProfile"
    case .activate: "activate"
    case .setOwners: "setOwners"
    case .installBootLoader: "installBootLoader"
    case .runScript: "runScript"
    case .writeBack: "writeBack"
    case .unmount: "unmount"
    case .finish: "finish"
    case .handOver: "handOver"
    }
  }
}
