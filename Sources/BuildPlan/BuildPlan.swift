package import AgentProtocol
internal import Basics
internal import Foundation
public import ImageModel

/// Everything that one build does, decided before anything is touched. A value: it can be printed, compared,
/// and kept as a golden file.
public struct BuildPlan: Hashable, Codable, Sendable {
  /// The store path of the toplevel that boots by default, or that a store alone is of.
  public var system: String
  /// All generations; nil for a store alone, which has no profile.
  public var generations: Generations?
  /// Every disk, of guest and host.
  public var disks: [PlannedDisk]
  /// What the host writes by itself.
  public var pour: PourPlan
  /// The installer VM; nil when there is nothing to install.
  public var machine: MachinePlan?
  /// What the agent does, in order.
  package var steps: [PlannedStep]
  /// The script that the host runs before the VM starts.
  public var preVM: String?
  /// The script that the host runs when the images are made.
  public var postVM: String?
  /// What is exported.
  public var outputs: OutputPlan
  /// Keys of Secure Boot, by their files: what they hold is in no plan.
  public var secureBoot: SecureBootSpec?
}

/// One disk of a build.
public struct PlannedDisk: Hashable, Codable, Sendable {
  /// What a disk is for.
  public enum Role: String, Codable, Sendable {
    /// It is blank, or the copy of an image, and becomes an image.
    case target
    /// The guest copies from it, and cannot write to it.
    case source
    /// The guest uses it, and nothing of it is exported.
    case scratch
    /// The guest writes onto it what it has installed, and the host makes the target of that.
    case handover
  }

  /// What it is for.
  public var role: Role
  /// The virtio serial number, by which the agent tells the disks apart.
  public var serial: String
  /// The whole disk.
  public var size: ByteSize
  /// What a target becomes, in exact sectors; nil for any other disk.
  public var layout: DiskLayout?
}

/// The serial numbers of the disks (20 bytes at most, virtio 1.2, 5.2.6).
package enum DiskSerial {
  /// The disk that becomes the image.
  package static let target = "slipway-target"
  /// The read-only disk with the tree to copy.
  package static let source = "slipway-source"
  /// The disk with a root that is not exported.
  package static let scratch = "slipway-scratch"
  /// The disk with what the guest hands over.
  package static let handover = "slipway-handover"
}

extension [PlannedDisk] {
  /// The disk that a device is, or is on.
  package subscript(device: BlockDevice) -> PlannedDisk? { first { $0.serial == device.serial } }

  /// The partition that a device is, also one that stands for the whole disk; nil where the plan describes none.
  package func partition(_ device: BlockDevice) -> Partition? {
    self[device]?.layout?.partitions.first { $0.device(on: device.serial) == device }
  }
}

/// A tree that the host writes into a filesystem, without a VM.
public struct PourPlan: Hashable, Codable, Sendable {
  /// What is in the filesystem.
  public enum Tree: String, Codable, Sendable {
    /// `/nix` of a system to be: store, database and state directories.
    case root
    /// The store paths at the root of the filesystem, and their registration.
    case store
  }

  /// What is in the filesystem.
  public var tree: Tree
  /// What the filesystem is on: a part of a target, or a disk that the guest copies from.
  public var device: BlockDevice
  /// Where on its disk it begins.
  public var offset: ByteSize
  /// Its size.
  public var size: ByteSize
  /// Its kind and identifiers.
  public var filesystem: Filesystem
  /// Seeds the hashes of directory entries, which decide how these share blocks.
  public var hashSeed: GUID
  /// The time of everything that is not from the store, in seconds since 1970.
  public var time: Int64
}

/// The installer VM's hardware and boot.
public struct MachinePlan: Hashable, Codable, Sendable {
  /// What runs the guest's processors.
  public var accelerator: Accelerator.Kind
  /// Memory, in MiB.
  public var memory: UInt64
  /// Processors.
  public var cpus: Int
  /// The firmware and the template of its variable store; nil for a BIOS.
  public var firmware: FirmwarePair?
  /// The appliance kernel's command line.
  public var kernelCommandLine: String
  /// The guest's clock when its session begins, in seconds since 1970.
  public var clock: Int64
}

/// The names of the files that a build leaves.
public struct OutputPlan: Hashable, Codable, Sendable {
  /// The disk images.
  public var images: [OutputImage]
  /// The EFI variable store's file name; nil when no VM writes one.
  public var efiVariables: String?
  /// The store's form; nil when there is none.
  public var efiVarsForm: VariablesForm?
  /// Whether the store goes without what the firmware makes again; nil when there is none.
  public var stripFirmwareVariables: Bool?

  /// The file name of an EFI variable store that is exported.
  package static let variablesFile = "efi-vars.fd"
}

/// One file with a disk in it.
public struct OutputImage: Hashable, Codable, Sendable {
  /// The serial number of the disk.
  public var disk: String
  /// Its format.
  public var format: ImageFormat
  /// Its file name.
  public var file: String
  /// What the formats with an identifier of their own are given for it.
  public var identifier: GUID

  package init(disk: String, format: ImageFormat, file: String, identifier: GUID) {
    self.disk = disk
    self.format = format
    self.file = file
    self.identifier = identifier
  }
}

/// One step, and how long it may take.
package struct PlannedStep: Hashable, Codable, Sendable {
  /// The typed request.
  package var step: InstallStep
  /// After this many seconds the step counts as hung, whatever it prints.
  package var timeLimit: Int
  /// The names of what the step's programs may read while they run: what they hold is in no plan.
  package var secrets: [String]
}

extension BuildPlan {
  /// The layout of the disk that becomes the image.
  ///
  /// - Throws: `Fault` for a plan with none or several, which nothing can build.
  package var target: DiskLayout {
    get throws(Fault) {
      let targets = disks.filter { $0.role == .target }
      guard targets.count == 1, let layout = targets[0].layout else {
        throw Fault(
          .failed, "the plan has \(targets.count) target disks, and a build makes one with a layout")
      }
      return layout
    }
  }

  /// What the guest hands over, from which the host makes the target; nil where the guest's own writes stay.
  package var handover: (trees: [HandedTree], regions: [DiskRegion])? {
    for case .handOver(_, let trees, let regions, _) in steps.map(\.step) { return (trees, regions) }
    return nil
  }

  /// Whether the target is the copy of an image, to which a generation is added.
  package var addsGeneration: Bool {
    steps.contains { planned in
      if case .addStorePaths = planned.step { true } else { false }
    }
  }

  /// Why the guest's own writes stay on the disk, and two builds may differ; nil where the host makes every byte.
  package var directPath: String? {
    guard machine != nil, handover == nil else { return nil }
    if addsGeneration { return "a generation was added to an image" }
    let partitions = disks.compactMap(\.layout).flatMap(\.partitions)
    let other = partitions.compactMap { partition in
      partition.filesystem.map { (partition: partition, kind: $0.kind, isRoot: $0.mountPoint == "/") }
    }.first { !SealPlan.kinds.contains($0.kind) }
    if let other {
      return other.isRoot
        ? "the root filesystem is \(other.kind.rawValue)"
        : "the filesystem of partition \(other.partition.number) is \(other.kind.rawValue)"
    }
    for case .makeFilesystem(_, let filesystem, let options) in steps.map(\.step)
    where filesystem.mountPoint == "/" && !options.isEmpty {
      return "mkfsOptions are given"
    }
    return "contents are on another partition than the root"
  }

  /// Whether the tree is poured into what becomes an image; else the guest copies it.
  package var poursIntoTarget: Bool { disks[pour.device]?.role == .target }

  /// The names of the in-guest steps, in order.
  public var stepNames: [String] { steps.map(\.step.name) }

  /// The whole plan as sorted, indented JSON, with the SHA-256 of each script in the place of its text.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(withoutScripts), as: UTF8.self) + "\n"
  }
}
