package import ImageModel

/// One thing the agent does, fully decided by the plan. The one step that runs a free-form command is the spec's own script.
package enum InstallStep: Hashable, Sendable {
  /// Write the partition table, re-read it, and compare it with the layout.
  case partitionDisk(PartitionDisk)
  /// Make one filesystem.
  case makeFilesystem(MakeFilesystem)
  /// Mount one filesystem below the target's root.
  case mountFilesystem(MountFilesystem)
  /// Copy the root's tree from the source disk.
  case copyTree(CopyTree)
  /// Make generation 1 of the system profile, and mark the root as NixOS.
  case setSystemProfile(SetSystemProfile)
  /// Run the system's activation and its tmpfiles in the chroot.
  case activate(ActivateSystem)
  /// Give paths to users and groups of the target system.
  case setOwners(SetOwners)
  /// Run the system's own `switch-to-configuration boot` in the chroot.
  case installBootLoader(InstallBootLoader)
  /// Run a script of the spec's author in the chroot.
  case runScript(RunScript)
  /// Remove what must not be shared between machines, unmount everything, flush the disk.
  case finish(Finish)
}

/// The disk by its virtio serial number, and the table it gets.
package struct PartitionDisk: Hashable, Codable, Sendable {
  /// The virtio-blk serial number of the target disk.
  package var disk: String
  /// The table to write.
  package var layout: DiskLayout

  package init(disk: String, layout: DiskLayout) {
    self.disk = disk
    self.layout = layout
  }
}

/// A filesystem on one partition of a disk.
package struct MakeFilesystem: Hashable, Codable, Sendable {
  /// The virtio-blk serial number of the disk.
  package var disk: String
  /// The partition's number.
  package var partition: Int
  /// What to make there.
  package var filesystem: Filesystem
  /// Further words for the tool that makes it.
  package var options: [String]

  package init(disk: String, partition: Int, filesystem: Filesystem, options: [String] = []) {
    self.disk = disk
    self.partition = partition
    self.filesystem = filesystem
    self.options = options
  }
}

/// A mount of one partition; the root comes first.
package struct MountFilesystem: Hashable, Codable, Sendable {
  /// The virtio-blk serial number of the disk.
  package var disk: String
  /// The partition's number.
  package var partition: Int
  /// The filesystem found there and the place it goes to.
  package var filesystem: Filesystem

  package init(disk: String, partition: Int, filesystem: Filesystem) {
    self.disk = disk
    self.partition = partition
    self.filesystem = filesystem
  }
}

/// The source disk and what to expect of it.
package struct CopyTree: Hashable, Codable, Sendable {
  /// The virtio-blk serial number of the read-only source disk.
  package var sourceDisk: String
  /// The filesystem type of the source disk, as `mount` names it.
  package var sourceType: String
  /// How many copies run side by side.
  package var workers: Int
  /// What all of it takes. For the message when there is no room.
  package var content: ByteSize

  package init(
    sourceDisk: String, sourceType: String, workers: Int, content: ByteSize = ByteSize(bytes: 0)
  ) {
    self.sourceDisk = sourceDisk
    self.sourceType = sourceType
    self.workers = workers
    self.content = content
  }
}

/// The system that becomes generation 1.
package struct SetSystemProfile: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  package var system: String
  /// The time of the profile's links, in seconds since 1970.
  package var time: Int64

  package init(system: String, time: Int64) {
    self.system = system
    self.time = time
  }
}

/// The system to activate in the chroot.
package struct ActivateSystem: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  package var system: String

  package init(system: String) {
    self.system = system
  }
}

/// Paths that are not root's.
package struct SetOwners: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  package var system: String
  /// In the order in which they are done.
  package var paths: [OwnedPath]

  package init(system: String, paths: [OwnedPath]) {
    self.system = system
    self.paths = paths
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

/// The system whose bootloader is installed.
package struct InstallBootLoader: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  package var system: String
  /// Whether EFI variables are reachable in the chroot.
  package var touchEFIVariables: Bool
  /// The virtio-blk serial number of the disk that is installed to.
  package var disk: String
  /// The path by which the system's configuration knows that disk, if it is another than the kernel's.
  package var diskName: String?
  /// What it copies at least: kernels and initrds. For the message when there is no room.
  package var bootFiles: ByteSize

  package init(
    system: String, touchEFIVariables: Bool, disk: String, diskName: String? = nil,
    bootFiles: ByteSize = ByteSize(bytes: 0)
  ) {
    self.system = system
    self.touchEFIVariables = touchEFIVariables
    self.disk = disk
    self.diskName = diskName
    self.bootFiles = bootFiles
  }
}

/// A shell script that the spec has for the installed system.
package struct RunScript: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  package var system: String
  /// The script, for the target's `/bin/sh`.
  package var script: String

  package init(system: String, script: String) {
    self.system = system
    self.script = script
  }
}

/// The end of the installation.
package struct Finish: Hashable, Codable, Sendable {
  /// The virtio-blk serial number of the disk to flush.
  package var disk: String
  /// Absolute paths of `machineState` that stay, because the spec's contents have brought them.
  package var kept: [String]

  /// Files that identify one machine or seed its random numbers, on any filesystem. Two images must not share them,
  /// and each machine makes its own at its first boot.
  package static let machineState = [
    "etc/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    // On the ESP, by bootctl.
    "loader/random-seed",
  ]

  package init(disk: String, kept: [String] = []) {
    self.disk = disk
    self.kept = kept
  }
}

extension InstallStep {
  /// The step's name, as the wire, the plan and the progress lines spell it.
  package var name: String {
    switch self {
    case .partitionDisk: "partitionDisk"
    case .makeFilesystem: "makeFilesystem"
    case .mountFilesystem: "mountFilesystem"
    case .copyTree: "copyTree"
    case .setSystemProfile: "setSystemProfile"
    case .activate: "activate"
    case .setOwners: "setOwners"
    case .installBootLoader: "installBootLoader"
    case .runScript: "runScript"
    case .finish: "finish"
    }
  }
}

extension InstallStep: Codable {
  private enum Key: String, CodingKey {
    case step, arguments
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    func arguments<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
      try container.decode(type, forKey: .arguments)
    }
    switch try container.decode(String.self, forKey: .step) {
    case "partitionDisk": self = .partitionDisk(try arguments())
    case "makeFilesystem": self = .makeFilesystem(try arguments())
    case "mountFilesystem": self = .mountFilesystem(try arguments())
    case "copyTree": self = .copyTree(try arguments())
    case "setSystemProfile": self = .setSystemProfile(try arguments())
    case "activate": self = .activate(try arguments())
    case "setOwners": self = .setOwners(try arguments())
    case "installBootLoader": self = .installBootLoader(try arguments())
    case "runScript": self = .runScript(try arguments())
    case "finish": self = .finish(try arguments())
    case let other:
      throw DecodingError.dataCorruptedError(
        forKey: .step, in: container, debugDescription: "'\(other)' is not a step of this version")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(name, forKey: .step)
    switch self {
    case .partitionDisk(let value): try container.encode(value, forKey: .arguments)
    case .makeFilesystem(let value): try container.encode(value, forKey: .arguments)
    case .mountFilesystem(let value): try container.encode(value, forKey: .arguments)
    case .copyTree(let value): try container.encode(value, forKey: .arguments)
    case .setSystemProfile(let value): try container.encode(value, forKey: .arguments)
    case .activate(let value): try container.encode(value, forKey: .arguments)
    case .setOwners(let value): try container.encode(value, forKey: .arguments)
    case .installBootLoader(let value): try container.encode(value, forKey: .arguments)
    case .runScript(let value): try container.encode(value, forKey: .arguments)
    case .finish(let value): try container.encode(value, forKey: .arguments)
    }
  }
}
