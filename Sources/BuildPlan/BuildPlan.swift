package import AgentProtocol
internal import Foundation
public import ImageModel

/// Everything that one build does, decided before anything is touched. A value: it can be printed, compared,
/// and kept as a golden file.
public struct BuildPlan: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  public var system: String
  /// The target disk, in exact sectors.
  public var disk: DiskLayout
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

/// A tree that the host writes into a filesystem, without a VM.
public struct PourPlan: Hashable, Codable, Sendable {
  /// What is in the filesystem.
  public enum Tree: String, Codable, Sendable {
    /// `/nix` of a system to be: store, database and state directories.
    case root
    /// The store paths at the root of the filesystem, and their registration.
    case store
  }

  /// Where the filesystem is.
  public enum Place: String, Codable, Sendable {
    /// On the disk that becomes the image.
    case target
    /// On a disk of its own, which the guest copies from.
    case source
  }

  /// What is in the filesystem.
  public var tree: Tree
  /// The disk that it is on.
  public var place: Place
  /// Where on the disk it begins.
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
  /// The guest's clock at start, in seconds since 1970.
  public var clock: Int64
}

/// The names of the files that a build leaves.
public struct OutputPlan: Hashable, Codable, Sendable {
  /// The disk images, all of one disk.
  public var images: [OutputImage]
  /// The EFI variable store's file name; nil when no VM writes one.
  public var efiVariables: String?
  /// The store's form; nil when there is none.
  public var efiVarsForm: VariablesForm?
  /// Whether the store goes without what the firmware makes again; nil when there is none.
  public var stripFirmwareVariables: Bool?
}

/// One file with the disk in it.
public struct OutputImage: Hashable, Codable, Sendable {
  /// Its format.
  public var format: ImageFormat
  /// Its file name.
  public var file: String
  /// What the formats with an identifier of their own are given for it.
  public var identifier: GUID

  package init(format: ImageFormat, file: String, identifier: GUID) {
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

  package init(step: InstallStep, timeLimit: Int) {
    self.step = step
    self.timeLimit = timeLimit
  }
}

/// The virtio serial numbers by which the agent tells the disks apart (20 bytes at most, virtio 1.2, 5.2.6).
public enum DiskSerial {
  /// The disk that becomes the image.
  public static let target = "slipway-target"
  /// The read-only disk with the tree to copy.
  public static let source = "slipway-source"
}

extension BuildPlan {
  /// The names of the in-guest steps, in order.
  public var stepNames: [String] { steps.map(\.step.name) }

  /// The whole plan as sorted, indented JSON, with the SHA-256 of each script in the place of its text.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(withoutScripts), as: UTF8.self) + "\n"
  }
}
